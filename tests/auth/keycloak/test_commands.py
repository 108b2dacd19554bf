"""`mizan tenant …` and `mizan app …` against a real server."""

import json
from pathlib import Path
from typing import Any

import pytest

import auth.keycloak.application_cli
import auth.keycloak.tenant_cli
from auth.client import TokenRefused
from auth.keycloak.directory import KeycloakTenantDirectory
from auth.keycloak.tenant_administration import TenantAdministration
from auth.tenants import TenantStatus

from .conftest import Keycloak

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(900)]

TENANT = auth.keycloak.tenant_cli.app
APP = auth.keycloak.application_cli.app


def test_life_of_a_tenant(keycloak: Keycloak) -> None:
    create = ("create", "benguerir", "--name", "Site de Benguérir", "--set", "requests_per_minute=60")
    made = json.loads(keycloak.run(TENANT, *create, "--json").stdout)[0]
    assert (made["alias"], made["requests_per_minute"], made["status"]) == ("benguerir", 60, "active")
    again = keycloak.run(TENANT, *create)
    assert again.exit_code == 0
    assert "existed already" in again.stderr
    updated = keycloak.run(
        TENANT,
        "update",
        "benguerir",
        "--set",
        "models=smol,mistral",
        "--set",
        "requests_per_minute=",
        "--json",
    )
    fields = json.loads(updated.stdout)[0]
    assert (fields["models"], fields["requests_per_minute"]) == (["smol", "mistral"], None)
    assert fields["name"] == "Site de Benguérir"
    by_id = json.loads(keycloak.run(TENANT, "show", made["id"], "--json").stdout)
    assert by_id == json.loads(keycloak.run(TENANT, "show", "benguerir", "--json").stdout)
    suspended = json.loads(keycloak.run(TENANT, "suspend", "benguerir", "--json").stdout)[0]
    assert suspended["status"] == "suspended"
    assert suspended["models"] == ["smol", "mistral"]
    assert "Nothing to change" in keycloak.run(TENANT, "suspend", "benguerir").stderr
    assert json.loads(keycloak.run(TENANT, "resume", "benguerir", "--json").stdout)[0]["status"] == "active"
    assert keycloak.run(TENANT, "delete", "benguerir", "--yes").stdout.strip() == "Deleted benguerir."
    assert "There was no tenant" in keycloak.run(TENANT, "delete", "benguerir", "--yes").stdout


def test_two_administrators_at_once(keycloak: Keycloak) -> None:
    """One suspends while the other edits attributes in the console: neither loses the other's change."""
    keycloak.run(TENANT, "create", "twohands", "--set", "requests_per_minute=60")
    admin = keycloak.admin()
    tenants = TenantAdministration(admin, keycloak.settings.defaults)
    before = tenants.organization("twohands")

    class Meanwhile(TenantAdministration):
        def organization(self, reference: str) -> dict[str, Any]:
            found = super().organization(reference)
            edited = before["attributes"] | {"mizan.requests_per_minute": ["5"]}
            admin.update_organization(before["id"], before | {"attributes": edited})
            return found

    entry, changed = Meanwhile(keycloak.admin(), keycloak.settings.defaults).set_enabled("twohands", False)
    assert changed
    assert entry.tenant.status is TenantStatus.SUSPENDED
    assert entry.tenant.limits.requests_per_minute == 5
    tenants.delete("twohands")


def test_nonsense_is_shown_with_what_is_in_force(keycloak: Keycloak) -> None:
    keycloak.run(TENANT, "create", "typo", "--set", "requests_per_minute=60")
    directory = KeycloakTenantDirectory(keycloak.settings)
    directory.refresh()
    admin = keycloak.admin()
    organization = TenantAdministration(admin, keycloak.settings.defaults).organization("typo")
    wrong = {"mizan.requests_per_minute": ["6O"]}
    admin.update_organization(organization["id"], organization | {"attributes": wrong})
    shown = json.loads(keycloak.run(TENANT, "show", "typo", "--json").stdout)[0]
    directory.close()
    assert (shown["status"], shown["requests_per_minute"]) == ("active", 60)
    assert shown["problems"] == ["mizan.requests_per_minute must be a whole number, not '6O'"]
    keycloak.run(TENANT, "delete", "typo", "--yes")


def test_alias_in_arabic_and_the_table(keycloak: Keycloak) -> None:
    assert keycloak.run(TENANT, "create", "آسفي", "--name", "موقع آسفي").exit_code == 0
    table = keycloak.run(TENANT, "list")
    assert "آسفي" in table.stdout
    assert keycloak.run(TENANT, "delete", "آسفي", "--yes").exit_code == 0


def test_more_tenants_than_keycloaks_page(keycloak: Keycloak) -> None:
    admin = keycloak.admin()
    made = [
        admin.create_organization({"name": f"page-{number}", "alias": f"page-{number}", "enabled": True})
        for number in range(12)
    ]
    assert made
    listed = {entry["alias"] for entry in json.loads(keycloak.run(TENANT, "list", "--json").stdout)}
    assert {f"page-{number}" for number in range(12)} <= listed
    for number in range(12):
        keycloak.run(TENANT, "delete", f"page-{number}", "--yes")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["create", "a b"], 1, "no blanks"),
        (["create", "a/b"], 1, "no slashes"),
        (["create", "x" * 101], 1, "1 to 100 characters"),
        (["create", "x", "--set", "requests_per_minute=many"], 1, "must be a whole number"),
        (["create", "x", "--set", "colour=red"], 2, "is not NAME=VALUE"),
        (["show", "nobody"], 1, "there is no tenant 'nobody'"),
        (["update", "nobody", "--name", "x"], 1, "there is no tenant"),
        (["suspend", "../../realms"], 1, "there is no tenant"),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], code: int, message: str, keycloak: Keycloak) -> None:
    result = keycloak.run(TENANT, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_life_of_an_application(keycloak: Keycloak, tmp_path: Path) -> None:
    for alias in ("youssoufia", "boucraa"):
        keycloak.run(TENANT, "create", alias)
    create = ("create", "youssoufia-assistant", "--tenant", "youssoufia", "--role", "chat")
    secret = json.loads(keycloak.run(APP, *create, "--json").stdout)["client_secret"]
    again = keycloak.run(APP, *create)
    assert (again.exit_code, "keeps its secret" in again.stderr, secret in again.stdout) == (0, True, False)
    stolen = keycloak.run(APP, "create", "youssoufia-assistant", "--tenant", "boucraa")
    assert (stolen.exit_code, "belongs to another tenant" in stolen.stderr) == (1, True)
    listed = json.loads(keycloak.run(APP, "list", "youssoufia", "--json").stdout)
    assert [(entry["client_id"], entry["roles"]) for entry in listed] == [("youssoufia-assistant", ["chat"])]
    assert json.loads(keycloak.run(APP, "list", "boucraa", "--json").stdout) == []
    assert keycloak.token("youssoufia-assistant", secret).value

    file = tmp_path / "secret.json"
    rotated = keycloak.run(APP, "rotate-secret", "youssoufia-assistant", "--secret-file", str(file))
    assert rotated.exit_code == 0
    assert rotated.stdout == ""
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TokenRefused):
        keycloak.token("youssoufia-assistant", secret)
    new = json.loads(file.read_text(encoding="utf-8"))["client_secret"]
    assert keycloak.token("youssoufia-assistant", new).value

    assert "is disabled" in keycloak.run(APP, "disable", "youssoufia-assistant").stdout
    assert "was disabled already" in keycloak.run(APP, "disable", "youssoufia-assistant").stdout
    with pytest.raises(TokenRefused):
        keycloak.token("youssoufia-assistant", new)
    assert keycloak.run(APP, "enable", "youssoufia-assistant").exit_code == 0
    assert keycloak.run(APP, "delete", "youssoufia-assistant", "--yes").exit_code == 0
    assert "There was no application" in keycloak.run(APP, "delete", "youssoufia-assistant", "--yes").stdout
    for alias in ("youssoufia", "boucraa"):
        keycloak.run(TENANT, "delete", alias, "--yes")


@pytest.mark.parametrize("client", ["mizan-reader", "account", "mizan", "realm-management"])
def test_clients_that_are_no_applications_are_left_alone(client: str, keycloak: Keycloak) -> None:
    for arguments in (["delete", client, "--yes"], ["disable", client], ["rotate-secret", client]):
        result = keycloak.run(APP, *arguments)
        assert result.exit_code == 1
        assert "is no application of a tenant" in result.stderr


def test_roles_beyond_a_tenant_are_refused(keycloak: Keycloak) -> None:
    result = keycloak.run(APP, "create", "x", "--tenant", "nobody", "--role", "admin")
    assert (result.exit_code, "roles must be some of chat, moderate, usage" in result.stderr) == (1, True)
