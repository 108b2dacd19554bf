"""`mizan quarantine` against a real gateway."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cluster.main import app
from serving.quarantine.local import SqliteStore
from serving.settings import load
from tests.serving.conftest import MakeStack
from tests.serving.gateways import Stack

from .test_gateway_quarantine import OPERATOR, OTHER, quarantine

Run = Callable[..., Result]


@pytest.fixture
def run(make_stack: MakeStack, serve: Callable[[Stack], str], tmp_path: Path) -> Run:
    stack = make_stack(quarantine=quarantine(SqliteStore(tmp_path / "quarantine.sqlite")))
    token = tmp_path / "token"
    token.write_text(stack.issuer.token(OPERATOR) + "\n")
    (tmp_path / "other").write_text(stack.issuer.token(OTHER))
    url = serve(stack)

    def call(*words: str, token_file: str = "token") -> Result:
        options = ["--url", url, "--token-file", str(tmp_path / token_file)]
        return CliRunner().invoke(app, ["quarantine", *words, *options], catch_exceptions=False)

    return call


def last_line(result: Result) -> str:
    """Before it are lines that the gateway, in the same process, has logged."""
    assert result.exit_code == 0
    return result.stdout.splitlines()[-1]


async def test_add_list_lift(run: Run) -> None:
    assert last_line(run("list")) == "None."
    assert last_line(run("add", OTHER, "--reason", "سلوك غريب")) == f"{OTHER} is quarantined."
    [entry] = json.loads(last_line(run("list", "--json")))
    assert (entry["application"], entry["reason"]) == (OTHER, "سلوك غريب")
    assert "khouribga" in run("list").output
    assert run("lift", OTHER, "--reason", "a & b?").exit_code == 0
    [lifted] = json.loads(last_line(run("list", "--lifted", "--json")))
    assert lifted["lift_reason"] == "a & b?"
    assert OPERATOR in lifted["lifted_by"]
    assert "khouribga" in run("list", "--lifted").output


async def test_what_goes_wrong_is_one_sentence(run: Run) -> None:
    for result, words in (
        (run("lift", "nobody"), "This application is not quarantined."),
        (run("list", token_file="other"), "The token does not carry the scope this needs."),
        (run("list", token_file="missing"), "No such file"),
    ):
        assert result.exit_code == 1
        assert words in result.stderr


async def test_a_gateway_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    options = ["--url", "http://127.0.0.1:1", "--token-file", str(tmp_path / "token")]
    result = CliRunner().invoke(app, ["quarantine", "list", *options])
    assert result.exit_code == 1
    assert "does not answer" in result.stderr


def test_production_sets_a_number(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    production = (
        "mode: production\nidentity: {issuer: 'https://sso.example.ma', tenants_file: /tenants.yaml}\n"
    )
    for more, expected in (
        ("", 50),
        ("quarantine: {violations: 7}\n", 7),
        ("quarantine: {violations: null}\n", None),
        ("quarantine: {window_seconds: 60}\n", 50),
    ):
        file.write_text(production + more)
        assert load(file, environment={}).quarantine.violations == expected
    assert load(None, environment={}).quarantine.violations is None
