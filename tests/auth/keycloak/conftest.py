"""A real Keycloak server for the session, with the realm imported from the shipped file."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from keycloak import KeycloakAdmin
from typer import Typer
from typer.testing import CliRunner, Result

from auth.client import AccessToken, request_token
from auth.keycloak.bootstrap import keep_gateway_credentials
from auth.keycloak.connection import connect
from auth.keycloak.realm import RealmDefinition
from auth.keycloak.realm_file import REALM_FILE
from auth.keycloak.settings import KeycloakSettings
from auth.settings import IdentitySettings
from cluster.free_ports import free_ports
from cluster.keycloak.distribution import built_server, choose_source
from cluster.keycloak.errors import MissingPart
from cluster.keycloak.java import find_java
from cluster.keycloak.server import LocalServer


@dataclass(frozen=True)
class Loaded:
    """What the commands find in their context."""

    identity: IdentitySettings


@dataclass
class Keycloak:
    """The running server and how to reach it."""

    settings: KeycloakSettings
    server: LocalServer
    home: Path
    java: Path

    @property
    def identity(self) -> IdentitySettings:
        return IdentitySettings.model_validate(
            {
                "claims": "keycloak",
                "tenants": "keycloak",
                "embedded": {"enabled": False},
                "http_timeout_seconds": 60,
                "jwks_refetch_seconds": 0.5,
                "jwks_fresh_seconds": 5,
                "keycloak": self.settings,
            }
        )

    @property
    def definition(self) -> RealmDefinition:
        return definition(self.settings.realm)

    def admin(self, realm: str | None = None) -> KeycloakAdmin:
        settings = self.settings.model_copy(update={"realm": realm}) if realm else self.settings
        return connect(settings)

    def token(self, client_id: str, secret: str, scope: str | None = None) -> AccessToken:
        with httpx.Client(trust_env=False, timeout=30) as client:
            return request_token(client, self.token_endpoint, client_id, secret, scope)

    @property
    def token_endpoint(self) -> str:
        return f"{self.settings.issuer}/protocol/openid-connect/token"

    def run(self, app: Typer, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), obj=Loaded(self.identity))

    def start(self) -> None:
        self.server.start(self.home, self.java, os.environ, lambda step: None, import_realm=REALM_FILE)


def definition(realm: str) -> RealmDefinition:
    return RealmDefinition(realm, "mizan", "mizan", "mizan-reader", "mizan-cli")


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """Skips, with the reason, only where Java or the distribution cannot be had."""
    cache = Path(os.environ.get("MIZAN_CACHE", "~/.cache/mizan")).expanduser()
    try:
        java = find_java(os.environ)
        home = built_server(choose_source(os.environ), cache, java, os.environ, lambda step: None)
    except MissingPart as reason:
        pytest.skip(str(reason))
    port, management_port = free_ports(2)
    fields: dict[str, Any] = {
        "server": f"http://127.0.0.1:{port}",
        "state_dir": tmp_path_factory.mktemp("keycloak"),
        "poll_seconds": 0.5,
        "page_size": 10,
        "local": {"port": port, "management_port": management_port, "start_seconds": 600},
    }
    settings = KeycloakSettings.model_validate(fields)
    running = Keycloak(settings, LocalServer(settings), home, java)
    try:
        running.start()
        keep_gateway_credentials(running.admin(), running.definition, settings)
        yield running
    finally:
        running.server.stop()
