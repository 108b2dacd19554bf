"""A gateway that starts while Keycloak is down: not ready, with the reason, and well by itself."""

from pathlib import Path

import httpx
import pytest

from auth.keycloak.credentials import ClientCredentials
from auth.keycloak.directory import KeycloakTenantDirectory
from auth.keycloak.organizations import UnreadableOrganizations
from auth.keycloak.settings import KeycloakSettings
from auth.private_file import write_private
from serving.gateway import create_gateway
from serving.readiness import Readiness
from serving.services import Services
from tests.auth.keycloak.scripted import ScriptedKeycloak, organization

from .conftest import MakeStack
from .gateways import Stack


async def ask(stack: Stack, directory: KeycloakTenantDirectory) -> httpx.Response:
    async def known() -> None:
        directory.ready()

    ready = Readiness({"tenant directory": known})
    services = Services(**{**vars(stack.services), "tenants": directory, "ready": ready})
    transport = httpx.ASGITransport(create_gateway(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        return await client.get("/health/ready")


async def test_not_ready_says_why_and_recovers(make_stack: MakeStack, tmp_path: Path) -> None:
    keycloak = ScriptedKeycloak(down=True, organizations=[organization(1, alias="khouribga", id="khouribga")])
    settings = KeycloakSettings(state_dir=tmp_path)
    credentials = ClientCredentials(client_id="mizan-reader", client_secret="secret")
    write_private(settings.reader_file, credentials.model_dump_json())
    directory = KeycloakTenantDirectory(settings, transport=keycloak.transport())
    stack = make_stack()
    with pytest.raises(UnreadableOrganizations):
        directory.refresh()
    answer = await ask(stack, directory)
    assert answer.status_code == 503
    assert "connection refused" in answer.json()["reason"]
    stack.app = create_gateway(Services(**{**vars(stack.services), "tenants": directory}))
    refused = await stack.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "issuer_unavailable")
    keycloak.down = False
    directory.refresh()
    assert (await ask(stack, directory)).status_code == 200
    assert (await stack.chat()).status_code == 200
    directory.close()
