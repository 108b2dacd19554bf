"""A thousand organizations in the real server: read completely, and an edit of the last one takes effect."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from auth.keycloak.bootstrap import keep_gateway_credentials
from auth.keycloak.directory import KeycloakTenantDirectory
from auth.keycloak.organizations import UnreadableOrganizations
from auth.keycloak.realm_file import REALM_FILE
from auth.keycloak.settings import KeycloakSettings, TenantDefaults
from auth.keycloak.tenant_administration import TenantAdministration

from .conftest import Keycloak, definition

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(900)]

REALM = "thousand"
COUNT = 1000
PATIENCE = 300
"""Seconds; the machine that runs this is shared."""


def operator(keycloak: Keycloak) -> dict[str, str]:
    token = keycloak.admin("master").connection.token
    return {"Authorization": f"Bearer {token['access_token']}"}


def read_completely(directory: KeycloakTenantDirectory) -> None:
    """Read the organizations; a page that a busy server does not send in time is asked for again."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            directory.refresh()
        except UnreadableOrganizations:
            assert time.monotonic() < give_up, "the organizations could not be read"
        else:
            return


@pytest.fixture
def thousand(keycloak: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeycloakSettings]:
    """A realm like the shipped one, with organizations; the gateway reads it by pages of 100."""
    realm = json.loads(REALM_FILE.read_text(encoding="utf-8"))
    realm["organizations"] = [
        {
            "name": f"Site {number}",
            "alias": f"site-{number:04d}",
            "enabled": True,
            "attributes": {"mizan.requests_per_minute": [str(number + 1)]},
        }
        for number in range(COUNT)
    ]
    realms = f"{keycloak.settings.server}/admin/realms"
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        made = client.post(realms, json={**realm, "realm": REALM}, headers=operator(keycloak))
        assert made.status_code == 201, made.text
        settings = keycloak.settings.model_copy(
            update={"realm": REALM, "state_dir": tmp_path_factory.mktemp("thousand"), "page_size": 100}
        )
        try:
            keep_gateway_credentials(keycloak.admin(REALM), definition(REALM), settings)
            yield settings
        finally:
            client.delete(f"{realms}/{REALM}", headers=operator(keycloak))


def test_a_thousand_organizations(keycloak: Keycloak, thousand: KeycloakSettings) -> None:
    directory = KeycloakTenantDirectory(thousand)
    try:
        read_completely(directory)
        assert len(directory.tenants()) == COUNT
        for number in (0, 9, 10, 99, 100, COUNT - 1):
            assert directory.get(f"site-{number:04d}").limits.requests_per_minute == number + 1

        directory.start()
        administration = TenantAdministration(keycloak.admin(REALM), TenantDefaults())
        assert len(administration.all()) == COUNT
        administration.update("site-0999", None, {"requests_per_minute": "7"})
        give_up = time.monotonic() + PATIENCE
        while directory.get("site-0999").limits.requests_per_minute != 7:
            assert time.monotonic() < give_up, "the edit was not felt"
            time.sleep(0.1)
    finally:
        directory.close()
