"""The realm on a real server: file and commands give the same, drift is found, the reader only reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from keycloak import KeycloakAdmin

from auth.keycloak.bootstrap import RealmBootstrap, keep_credentials
from auth.keycloak.credentials import read_client
from auth.keycloak.directory import KeycloakTenantDirectory
from auth.keycloak.organizations import UnreadableOrganizations
from auth.keycloak.realm_file import REALM_FILE, realm_file

from .conftest import Keycloak, definition

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(900)]


def check(admin: KeycloakAdmin, realm: str) -> list[str]:
    return [str(drift) for drift in RealmBootstrap(admin, definition(realm), repair=False).run()]


def repair(admin: KeycloakAdmin, realm: str) -> list[str]:
    return [str(drift) for drift in RealmBootstrap(admin, definition(realm), repair=True).run()]


@pytest.fixture(scope="module")
def bootstrapped(keycloak: Keycloak) -> str:
    """A realm made by the command alone."""
    realm = "bootstrapped"
    assert repair(keycloak.admin(realm), realm)[0] == f"realm {realm}: missing"
    return realm


def test_imported_realm_is_as_it_must_be(keycloak: Keycloak) -> None:
    assert check(keycloak.admin(), keycloak.settings.realm) == []


def test_bootstrapped_realm_is_as_it_must_be(keycloak: Keycloak, bootstrapped: str) -> None:
    assert check(keycloak.admin(bootstrapped), bootstrapped) == []
    assert repair(keycloak.admin(bootstrapped), bootstrapped) == []


def test_file_and_bootstrap_give_the_same_realm(keycloak: Keycloak, bootstrapped: str) -> None:
    imported = realm_file(keycloak.admin(), keycloak.definition)
    made = realm_file(keycloak.admin(bootstrapped), definition(bootstrapped))
    assert made.replace(bootstrapped, keycloak.settings.realm) == imported
    assert imported == REALM_FILE.read_text(encoding="utf-8")


def test_check_of_a_missing_realm_makes_none(keycloak: Keycloak) -> None:
    admin = keycloak.admin("nowhere")
    assert check(admin, "nowhere") == ["realm nowhere: missing"]
    assert check(admin, "nowhere") == ["realm nowhere: missing"]


def switch_off_organizations(admin: KeycloakAdmin, realm: str) -> None:
    admin.update_realm(realm, {"organizationsEnabled": False})


def lengthen_tokens(admin: KeycloakAdmin, realm: str) -> None:
    admin.update_realm(realm, {"accessTokenLifespan": 36_000})


def widen_client(admin: KeycloakAdmin, realm: str) -> None:
    identifier = admin.get_client_id("mizan-reader")
    admin.update_client(identifier, admin.get_client(identifier) | {"fullScopeAllowed": True})


def delete_role(admin: KeycloakAdmin, realm: str) -> None:
    admin.delete_client_role(admin.get_client_id("mizan"), "supervisor")


def change_audience(admin: KeycloakAdmin, realm: str) -> None:
    scope = admin.get_client_scope_by_name("mizan-audience")
    assert scope is not None
    mapper = scope["protocolMappers"][0]
    config = mapper["config"] | {"included.custom.audience": "elsewhere"}
    admin.update_mapper_in_client_scope(scope["id"], mapper["id"], mapper | {"config": config})


def drop_organization_id(admin: KeycloakAdmin, realm: str) -> None:
    scope = admin.get_client_scope_by_name("organization")
    assert scope is not None
    admin.delete_mapper_from_client_scope(scope["id"], scope["protocolMappers"][0]["id"])


def promote_reader(admin: KeycloakAdmin, realm: str) -> None:
    management = admin.get_client_id("realm-management")
    user = admin.get_client_service_account_user(str(admin.get_client_id("mizan-reader")))["id"]
    admin.assign_client_role(user, management, [admin.get_client_role(str(management), "manage-realm")])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (switch_off_organizations, "organizationsEnabled is False"),
        (lengthen_tokens, "accessTokenLifespan is 36000, must be 300"),
        (widen_client, "client mizan-reader: fullScopeAllowed is True"),
        (delete_role, "role mizan/supervisor: missing"),
        (change_audience, "included.custom.audience is 'elsewhere', must be 'mizan'"),
        (drop_organization_id, "oidc-organization-membership-mapper is missing"),
        (promote_reader, "may do more than read: manage-realm"),
    ],
)
def test_drift_is_found_and_put_right(
    change: Callable[[KeycloakAdmin, str], Any], message: str, keycloak: Keycloak, bootstrapped: str
) -> None:
    admin = keycloak.admin(bootstrapped)
    change(admin, bootstrapped)
    found = check(admin, bootstrapped)
    assert any(message in drift for drift in found), found
    assert repair(admin, bootstrapped) == found
    assert check(admin, bootstrapped) == []


def test_realm_without_organizations_is_named(keycloak: Keycloak, bootstrapped: str, tmp_path: Path) -> None:
    admin = keycloak.admin(bootstrapped)
    settings = keycloak.settings.model_copy(update={"realm": bootstrapped, "state_dir": tmp_path})
    keep_credentials(admin, "mizan-reader", settings.reader_file)
    admin.update_realm(bootstrapped, {"organizationsEnabled": False})
    directory = KeycloakTenantDirectory(settings)
    with pytest.raises(UnreadableOrganizations, match="has organizations switched off"):
        directory.refresh()
    repair(admin, bootstrapped)
    directory.refresh()
    directory.close()


def test_reader_without_its_role_is_named(keycloak: Keycloak, bootstrapped: str, tmp_path: Path) -> None:
    admin = keycloak.admin(bootstrapped)
    settings = keycloak.settings.model_copy(update={"realm": bootstrapped, "state_dir": tmp_path})
    keep_credentials(admin, "mizan-reader", settings.reader_file)
    management = str(admin.get_client_id("realm-management"))
    user = admin.get_client_service_account_user(str(admin.get_client_id("mizan-reader")))["id"]
    role = admin.get_client_role(management, "view-organizations")
    admin.delete_client_roles_of_user(user, management, [role])
    directory = KeycloakTenantDirectory(settings)
    with pytest.raises(UnreadableOrganizations, match="mizan-reader lacks the role view-organizations"):
        directory.refresh()
    directory.close()
    assert repair(admin, bootstrapped) == ["client mizan-reader: lacks the role view-organizations"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/organizations", 200),
        ("GET", "/clients", 403),
        ("GET", "/users", 403),
        ("GET", "/admin-events", 403),
        ("GET", "/roles", 403),
        ("POST", "/organizations", 403),
        ("PUT", "", 403),
    ],
)
def test_reader_reads_organizations_and_nothing_more(
    method: str, path: str, status: int, keycloak: Keycloak
) -> None:
    reader = read_client(keycloak.settings.reader_file)
    token = keycloak.token(reader.client_id, reader.client_secret)
    url = f"{keycloak.settings.server}/admin/realms/{keycloak.settings.realm}{path}"
    body = {"POST": {"name": "x", "alias": "x"}, "PUT": {"displayName": "x"}}.get(method)
    answer = httpx.request(
        method,
        url,
        json=body,
        headers={"Authorization": f"Bearer {token.value}"},
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == status
