"""People on a real server: logging in, what their roles allow, and being out at once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from keycloak import KeycloakAdmin
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

import auth.keycloak.application_cli
import auth.keycloak.tenant_cli
import auth.people.cli
from auth.assembly import build_operator_guard, build_verifier
from auth.client import TokenRefused
from auth.people.person import person_session
from auth.refusals import AuthenticationError, Denial, Forbidden, TokenFault, Unauthenticated
from auth.settings import IdentitySettings

from .browsing import Visitor
from .conftest import Keycloak, Loaded

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(900)]

PEOPLE = auth.people.cli.app
TENANT = auth.keycloak.tenant_cli.app
APP = auth.keycloak.application_cli.app


@dataclass
class Terminal:
    """One person's terminal: a session file of its own, and no operator's credentials."""

    identity: IdentitySettings
    visitor: Visitor

    def run(self, app: typer.Typer, *arguments: str) -> Result:
        with capture_logs():  # `mizan` itself sends them to standard error
            return CliRunner().invoke(app, list(arguments), obj=Loaded(self.identity))

    def log_in(self, *, decline: bool = False) -> str:
        """Log in as `mizan login` does, the browser being at hand; the last page that the person saw."""
        pages: list[str] = []

        def approve(authorization: Any) -> None:
            pages.append(self.visitor.approve(authorization.verification_uri_complete, decline=decline))

        with person_session(self.identity) as session:
            session.log_in(approve)
        return pages[0]

    def token(self, *, whole: bool = False) -> str:
        with person_session(self.identity) as session:
            return session.token(whole=whole).access_token


MakeTerminal = Callable[..., Terminal]


@pytest.fixture(scope="module")
def admin(keycloak: Keycloak) -> KeycloakAdmin:
    made = keycloak.admin()
    made.update_realm(keycloak.settings.realm, {"oauth2DevicePollingInterval": 1})
    return made


@pytest.fixture
def terminal(keycloak: Keycloak, admin: KeycloakAdmin, tmp_path: Path) -> Iterator[MakeTerminal]:
    """Makes a person in a group and gives them a terminal."""
    made: list[str] = []

    def make(username: str, group: str | None = None) -> Terminal:
        person = admin.create_user(
            {
                "username": username,
                "email": f"{username}@example.ma",
                "emailVerified": True,
                "firstName": username,
                "lastName": "B",
                "enabled": True,
                "credentials": [{"type": "password", "value": "a long password", "temporary": False}],
            }
        )
        made.append(person)
        if group is not None:
            admin.group_user_add(person, admin.get_group_by_path(f"/{group}")["id"])
        bare = keycloak.settings.model_copy(update={"state_dir": tmp_path / username})
        fields = {"keycloak": bare, "session_file": tmp_path / username / "session.json"}
        return Terminal(keycloak.identity.model_copy(update=fields), Visitor(username, "a long password"))

    yield make
    for person in made:
        admin.delete_user(person)


def test_an_administrator_logs_in_and_administers(terminal: MakeTerminal) -> None:
    nadia = terminal("nadia", "mizan-administrators")
    assert nadia.run(PEOPLE, "whoami").exit_code == 1
    assert "Device Login Successful" in nadia.log_in()
    shown = json.loads(nadia.run(PEOPLE, "whoami", "--json").stdout)
    assert (shown["name"], shown["roles"], shown["tenant"]) == ("nadia", ["admin"], None)
    made = nadia.run(TENANT, "create", "persons", "--set", "requests_per_minute=6", "--json")
    assert json.loads(made.stdout)[0]["requests_per_minute"] == 6
    create = nadia.run(APP, "create", "persons-app", "--tenant", "persons", "--role", "chat", "--json")
    assert json.loads(create.stdout)["client_secret"]
    assert [
        entry["client_id"] for entry in json.loads(nadia.run(APP, "list", "persons", "--json").stdout)
    ] == ["persons-app"]
    assert nadia.run(APP, "rotate-secret", "persons-app").exit_code == 0
    assert nadia.run(TENANT, "suspend", "persons").exit_code == 0
    assert nadia.run(APP, "delete", "persons-app", "--yes").exit_code == 0
    assert nadia.run(TENANT, "delete", "persons", "--yes").exit_code == 0
    assert "logged out" in nadia.run(PEOPLE, "logout").stdout
    again = nadia.run(TENANT, "list")
    assert (again.exit_code, "admin.json does not exist" in again.stderr) == (1, True)


def test_a_supervisor_may_not_administer(terminal: MakeTerminal) -> None:
    karim = terminal("karim", "mizan-supervisors")
    karim.log_in()
    assert json.loads(karim.run(PEOPLE, "whoami", "--json").stdout)["roles"] == ["supervisor"]
    refused = karim.run(TENANT, "list")
    assert refused.exit_code == 1
    assert "needs the role admin of the client mizan, which karim lacks" in refused.stderr


def test_somebody_without_a_role(terminal: MakeTerminal) -> None:
    samira = terminal("samira")
    samira.log_in()
    for app, arguments in ((PEOPLE, ["whoami"]), (TENANT, ["list"])):
        refused = samira.run(app, *arguments)
        assert refused.exit_code == 1
        assert "belongs to no tenant" in refused.stderr


def test_declining_in_the_browser(terminal: MakeTerminal) -> None:
    omar = terminal("omar", "mizan-administrators")
    with pytest.raises(TokenRefused, match="declined"):
        omar.log_in(decline=True)
    assert "nobody is logged in" in omar.run(PEOPLE, "whoami").stderr


def test_what_the_gateway_is_shown_changes_nothing_in_keycloak(
    terminal: MakeTerminal, keycloak: Keycloak
) -> None:
    """A gateway that was broken into could replay an administrator's token."""
    hind = terminal("hind", "mizan-administrators")
    hind.log_in()
    base = f"{keycloak.settings.server}/admin/realms/{keycloak.settings.realm}"
    for path in ("/organizations", "/clients", "/users"):
        for whole, status in ((False, 403), (True, 200)):
            headers = {"Authorization": f"Bearer {hind.token(whole=whole)}"}
            assert httpx.get(base + path, headers=headers, trust_env=False, timeout=60).status_code == status


async def require(identity: IdentitySettings, token: str, *roles: str) -> frozenset[str]:
    verifier = build_verifier(identity)
    guard = build_operator_guard(identity, verifier)
    try:
        return (await guard.require([f"Bearer {token}"], *roles)).scopes
    finally:
        await guard.close()
        await verifier.close()


def disable(admin: KeycloakAdmin, person: str) -> None:
    admin.update_user(person, {"enabled": False})


def end_sessions(admin: KeycloakAdmin, person: str) -> None:
    admin.user_logout(person)


def leave_group(admin: KeycloakAdmin, person: str) -> None:
    admin.group_user_remove(person, admin.get_group_by_path("/mizan-administrators")["id"])


def delete(admin: KeycloakAdmin, person: str) -> None:
    admin.update_user(person, {"enabled": False})
    admin.user_logout(person)


@pytest.mark.parametrize(
    ("revoke", "expected"),
    [
        (disable, TokenFault.REVOKED),
        (end_sessions, TokenFault.REVOKED),
        (leave_group, Denial.SCOPE),
        (delete, TokenFault.REVOKED),
    ],
)
async def test_a_revoked_person_is_out_at_once(
    revoke: Callable[[KeycloakAdmin, str], None],
    expected: object,
    terminal: MakeTerminal,
    keycloak: Keycloak,
    admin: KeycloakAdmin,
) -> None:
    zineb = terminal("zineb", "mizan-administrators")
    zineb.log_in()
    token = zineb.token()
    assert await require(keycloak.identity, token, "supervisor", "admin") == {"admin"}
    revoke(admin, str(admin.get_user_id("zineb")))
    with pytest.raises(AuthenticationError) as refusal:
        await require(keycloak.identity, token, "admin")
    assert isinstance(refusal.value, Unauthenticated | Forbidden)
    assert refusal.value.reason == expected


async def test_logging_out_ends_the_tokens_that_are_about(terminal: MakeTerminal, keycloak: Keycloak) -> None:
    rachid = terminal("rachid", "mizan-supervisors")
    rachid.log_in()
    token = rachid.token()
    assert await require(keycloak.identity, token, "supervisor") == {"supervisor"}
    assert rachid.run(PEOPLE, "logout").exit_code == 0
    with pytest.raises(Unauthenticated) as refusal:
        await require(keycloak.identity, token, "supervisor")
    assert refusal.value.fault is TokenFault.REVOKED
