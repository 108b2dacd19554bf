"""The compose file as far as it can be checked without a container engine."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from .commands import run

COMPOSE = Path(__file__).parents[3] / "cluster" / "compose"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
    return content


def test_every_file_that_is_mounted_exists_or_is_made(compose: dict[str, Any]) -> None:
    made = {"certificates", "secrets"}
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert rest.endswith(":ro"), f"{volume} can be written"
                assert Path(source).parts[0] in made or (COMPOSE / source).resolve().is_file(), volume
    assert {Path(secret["file"]).parts[0] for secret in compose["secrets"].values()} == {"secrets"}
    ignored = (COMPOSE / ".gitignore").read_text(encoding="utf-8").split()
    assert {"certificates/", "secrets/", ".env"} <= set(ignored)


def test_every_variable_is_explained(compose: dict[str, Any]) -> None:
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"\$\{(\w+)", text))
    explained = set(re.findall(r"^#? ?(\w+)=", (COMPOSE / "env.example").read_text(encoding="utf-8"), re.M))
    assert named == explained


def test_no_password_is_in_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name in service["environment"]:
            assert "PASSWORD" not in name or name.endswith("_FILE"), name


def test_the_database_is_reached_by_keycloak_only(compose: dict[str, Any]) -> None:
    database = compose["services"]["postgres"]
    assert "ports" not in database
    assert database["networks"] == ["database"]
    assert compose["networks"]["database"] == {"internal": True}


def test_only_tls(compose: dict[str, Any]) -> None:
    keycloak = compose["services"]["keycloak"]
    assert keycloak["environment"]["KC_HTTP_ENABLED"] == "false"
    assert "sslmode=verify-full" in keycloak["environment"]["KC_DB_URL"]
    assert [port.rsplit(":", 1)[1] for port in keycloak["ports"]] == ["8443"]
    rules = (COMPOSE / "pg_hba.conf").read_text(encoding="utf-8")
    kinds = re.findall(r"^(\w+) ", rules, re.M)
    assert set(kinds) == {"local", "hostssl"}


def test_scripts_can_be_run() -> None:
    for name in ("make-certificates", "make-secrets", "start-keycloak"):
        script = COMPOSE / name
        assert script.stat().st_mode & stat.S_IXUSR
        run(["/bin/sh", "-n", str(script)])


def test_secrets_are_made_once(tmp_path: Path) -> None:
    command = [str(COMPOSE / "make-secrets"), str(tmp_path / "secrets")]
    run(command)
    files = sorted((tmp_path / "secrets").iterdir())
    first = [file.read_text(encoding="utf-8") for file in files]
    run(command)
    assert [file.read_text(encoding="utf-8") for file in files] == first
    assert len(set(first)) == 2
    assert all(len(secret) == 40 for secret in first)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
