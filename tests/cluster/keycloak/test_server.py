"""`mizan keycloak up`, `down`, `status` and `bootstrap`, with the real server."""

import json
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner, Result

from auth.keycloak.settings import KeycloakSettings
from auth.settings import IdentitySettings
from cluster.keycloak.cli import app
from cluster.keycloak.distribution import built_server, choose_source
from cluster.keycloak.errors import MissingPart
from cluster.keycloak.java import find_java
from cluster.keycloak.server import LocalServer


def cache_folder() -> Path:
    return Path(os.environ.get("MIZAN_CACHE", "~/.cache/mizan")).expanduser()


@dataclass(frozen=True)
class Places:
    cache: Path


@dataclass(frozen=True)
class Loaded:
    """What the commands find in their context."""

    identity: IdentitySettings
    settings: Places


@pytest.fixture
def settings(tmp_path: Path) -> KeycloakSettings:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        port, management_port = first.getsockname()[1], second.getsockname()[1]
    return KeycloakSettings.model_validate(
        {
            "server": f"http://127.0.0.1:{port}",
            "state_dir": tmp_path / "state",
            "local": {"port": port, "management_port": management_port, "start_seconds": 600},
        }
    )


@pytest.fixture
def commands(settings: KeycloakSettings) -> Iterator["Commands"]:
    made = Commands(settings, Loaded(IdentitySettings(keycloak=settings), Places(cache_folder())))
    yield made
    LocalServer(settings).stop()


@dataclass(frozen=True)
class Commands:
    settings: KeycloakSettings
    loaded: Loaded

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), obj=self.loaded)


@pytest.fixture(scope="module")
def obtainable() -> None:
    """Skips, with the reason, only where Java or the distribution cannot be had."""
    try:
        java = find_java(os.environ)
        built_server(choose_source(os.environ), cache_folder(), java, os.environ, lambda step: None)
    except MissingPart as reason:
        pytest.skip(str(reason))


@pytest.mark.keycloak
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("obtainable")
# The commands leave a running server behind on purpose, which Popen warns about when it is collected.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_life_of_a_server(commands: Commands) -> None:
    settings = commands.settings
    assert commands.run("status").exit_code == 3
    up = commands.run("up")
    assert up.exit_code == 0, up.stderr
    assert "is ready at" in up.stdout
    assert "was running already" in commands.run("up").stdout
    status = json.loads(commands.run("status", "--json").stdout)
    assert (status["running"], status["ready"]) == (True, True)
    assert 0 < status["memory_mb"] < 1500
    assert stat.S_IMODE(settings.admin_file.stat().st_mode) == 0o600

    missing = commands.run("bootstrap", "--check")
    assert (missing.exit_code, "realm mizan: missing" in missing.stdout) == (1, True)
    assert commands.run("bootstrap").exit_code == 0
    assert stat.S_IMODE(settings.reader_file.stat().st_mode) == 0o600
    assert commands.run("bootstrap", "--check").exit_code == 0
    assert "is as it must be" in commands.run("bootstrap").stdout

    process = LocalServer(settings).process()
    assert process is not None
    family = [process, *process.children(recursive=True)]
    listening = {
        connection.laddr.ip
        for member in family
        for connection in member.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    for member in family:
        member.kill()
    psutil.wait_procs(family, timeout=20)
    assert commands.run("status").exit_code == 3

    assert commands.run("up").exit_code == 0
    assert commands.run("bootstrap", "--check").exit_code == 0, "the realm survived the crash"
    process = LocalServer(settings).process()
    assert process is not None
    family = [process, *process.children(recursive=True)]
    assert "has stopped" in commands.run("down").stdout
    assert not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in family)
    assert "was not running" in commands.run("down", "--forget").stdout
    assert not settings.admin_file.exists()
    assert not (settings.state_dir / "server").exists()


@pytest.mark.usefixtures("obtainable")
@pytest.mark.keycloak
@pytest.mark.timeout(900)
def test_taken_port_is_named(commands: Commands) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", commands.settings.local.port))
        taken.listen()
        result = commands.run("up")
    assert result.exit_code == 1
    assert "identity.keycloak.local.port is" in result.stderr


def test_bootstrap_without_a_server(commands: Commands) -> None:
    result = commands.run("bootstrap")
    assert result.exit_code == 1
    assert "admin.json does not exist" in result.stderr
    commands.settings.state_dir.mkdir()
    commands.settings.admin_file.touch(0o600)
    commands.settings.admin_file.write_text('{"username": "a", "password": "b"}', encoding="utf-8")
    result = commands.run("bootstrap")
    assert result.exit_code == 1
    assert "does not let us in" in result.stderr
    assert "Traceback" not in result.stderr
