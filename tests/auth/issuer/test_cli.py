"""`mizan token` and `mizan rotate-keys` against a running development issuer."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auth.cli import app
from auth.settings import IdentitySettings

from .conftest import RunningIssuer


@dataclass(frozen=True)
class LoadedSettings:
    identity: IdentitySettings


def run(settings: IdentitySettings, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), obj=LoadedSettings(settings))


def test_token(issuer: RunningIssuer) -> None:
    result = run(issuer.settings, "token")
    assert result.exit_code == 0
    assert result.stdout.strip().count(".") == 2
    as_json = run(issuer.settings, "token", "--application", "safi-assistant", "--scope", "chat", "--json")
    assert json.loads(as_json.stdout)["scope"] == "chat"


def test_rotate_keys(issuer: RunningIssuer) -> None:
    before = issuer.state().signing_key().kid
    result = run(issuer.settings, "rotate-keys")
    assert result.exit_code == 0
    after = issuer.state().signing_key().kid
    assert after != before
    assert after in result.stdout
    assert run(issuer.settings, "token").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["token", "--application", "nobody"], "choose from khouribga-assistant"),
        (["token", "--scope", "admin"], "invalid_scope"),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], message: str, issuer: RunningIssuer) -> None:
    result = run(issuer.settings, *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stdout == ""


def test_without_an_embedded_issuer(tmp_path: Path) -> None:
    settings = IdentitySettings.model_validate(
        {"issuer": "https://sso.example.org", "embedded": {"enabled": False}}
    )
    result = run(settings, "token")
    assert (result.exit_code, "switched off" in result.stderr) == (1, True)
    unused = IdentitySettings.model_validate({"embedded": {"state_dir": tmp_path / "unused"}})
    assert "has not run yet" in run(unused, "token").stderr
