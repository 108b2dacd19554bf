"""Fine-grained permissions: what a tenant's own administrator sees, and what must not be delegated."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from keycloak import KeycloakAdmin

from auth.assembly import build_verifier
from auth.keycloak.application_administration import ApplicationAdministration
from auth.keycloak.tenant_administration import TenantAdministration
from auth.refusals import Denial, Forbidden

from .conftest import Keycloak

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(900)]

PASSWORD = "a long password"


class Delegation:
    """What the operator does in the console under Permissions, by the interface behind it."""

    def __init__(self, admin: KeycloakAdmin, realm: str) -> None:
        self._admin = admin
        admin.update_realm(realm, {"adminPermissionsEnabled": True})
        client = str(admin.get_client_id("admin-permissions"))
        self._path = f"/admin/realms/{realm}/clients/{client}/authz/resource-server"

    def allow(self, person: str, kind: str, resource: str, *scopes: str) -> None:
        """Let a person (by id) do what the scopes say to one organization or client (by id)."""
        name = f"{person}-{resource}-{'-'.join(scopes)}"
        policy = self._post("policy/user", {"name": f"{name}-policy", "users": [person], "logic": "POSITIVE"})
        self._post(
            "permission/scope",
            {
                "name": name,
                "resourceType": kind,
                "resources": [resource],
                "scopes": list(scopes),
                "policies": [policy["id"]],
                "decisionStrategy": "UNANIMOUS",
            },
        )

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._admin.connection.raw_post(f"{self._path}/{path}", data=json.dumps(body))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@dataclass(frozen=True)
class Scene:
    """Two tenants, an application, and three people: one sees, one manages a tenant, one a client."""

    keycloak: Keycloak
    own: str
    other: str
    managed: str
    client: str
    secret: str

    def call(self, person: str, method: str, path: str, body: object = None) -> httpx.Response:
        """A request to the administration interface with a person's own token."""
        with httpx.Client(trust_env=False, timeout=60) as client:
            form = {
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": person,
                "password": PASSWORD,
            }
            token = client.post(self.keycloak.token_endpoint, data=form).json()["access_token"]
            base = f"{self.keycloak.settings.server}/admin/realms/{self.keycloak.settings.realm}"
            headers = {"Authorization": f"Bearer {token}"}
            return client.request(method, base + path, json=body, headers=headers)


@pytest.fixture(scope="module")
def scene(keycloak: Keycloak) -> Iterator[Scene]:
    admin, realm = keycloak.admin(), keycloak.settings.realm
    delegation = Delegation(admin, realm)
    tenants = TenantAdministration(admin, keycloak.settings.defaults)
    applications = ApplicationAdministration(admin, tenants, "mizan")
    for alias in ("mine", "theirs", "managed"):
        tenants.create(alias, None, {"requests_per_minute": "10"})
    _, secret = applications.create("mine-app", "mine", ["chat"])
    own, other, managed = (tenants.organization(alias)["id"] for alias in ("mine", "theirs", "managed"))
    client = str(admin.get_client_id("mine-app"))
    people = {}
    for name in ("sees", "manages", "tampers"):
        fields: dict[str, Any] = {
            "username": name,
            "email": f"{name}@example.ma",
            "emailVerified": True,
            "enabled": True,
        }
        person = {
            "firstName": name,
            "lastName": "B",
            "credentials": [{"type": "password", "value": PASSWORD}],
        }
        people[name] = str(admin.create_user(fields | person))
    management = str(admin.get_client_id("realm-management"))
    roles = [admin.get_client_role(management, f"query-{kind}") for kind in ("organizations", "clients")]
    for identifier in people.values():
        admin.assign_client_role(identifier, management, roles)
    delegation.allow(people["sees"], "Organizations", own, "view")
    # Of several permissions for one organization all must say yes: hence one of its own.
    delegation.allow(people["manages"], "Organizations", managed, "view", "manage")
    delegation.allow(people["tampers"], "Clients", client, "view", "manage")
    yield Scene(keycloak, own, other, managed, client, str(secret))
    for identifier in people.values():
        admin.delete_user(identifier)
    applications.delete("mine-app")
    for alias in ("mine", "theirs", "managed"):
        tenants.delete(alias)
    admin.update_realm(realm, {"adminPermissionsEnabled": False})


def lifted(scene: Scene, organization: str) -> dict[str, Any]:
    found: dict[str, Any] = scene.keycloak.admin().get_organization(organization)
    return found | {"attributes": {"mizan.requests_per_minute": ["1000000"]}}


def limit(scene: Scene, organization: str) -> list[str]:
    attributes: dict[str, list[str]] = scene.keycloak.admin().get_organization(organization)["attributes"]
    return attributes["mizan.requests_per_minute"]


def test_a_tenants_administrator_sees_their_organization_only(scene: Scene) -> None:
    seen = scene.call("sees", "GET", f"/organizations/{scene.own}")
    assert seen.status_code == 200
    assert seen.json()["attributes"]["mizan.requests_per_minute"] == ["10"]
    assert scene.call("sees", "GET", f"/organizations/{scene.other}").status_code == 403
    listed = scene.call("sees", "GET", "/organizations")
    assert [entry["alias"] for entry in listed.json()] == ["mine"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/organizations/{own}", "lifted"),
        ("PUT", "/organizations/{own}", {"name": "mine", "enabled": False}),
        ("DELETE", "/organizations/{own}", None),
        ("POST", "/organizations/{own}/members", "an account"),
        ("POST", "/organizations/{other}/members", "an account"),
        ("PUT", "/organizations/{other}", "lifted"),
        ("POST", "/organizations", {"name": "x", "alias": "x", "enabled": True}),
        ("POST", "/clients", {"clientId": "x"}),
        ("PUT", "/clients/{client}", {"clientId": "mine-app", "fullScopeAllowed": True}),
        ("POST", "/clients/{client}/protocol-mappers/models", "forging"),
        ("GET", "/clients/{client}/client-secret", None),
        ("POST", "/clients/{client}/client-secret", None),
        ("POST", "/client-scopes", {"name": "x", "protocol": "openid-connect"}),
        ("PUT", "", {"accessTokenLifespan": 999_999}),
        ("POST", "/users", {"username": "x"}),
    ],
)
def test_who_sees_changes_nothing(method: str, path: str, body: object, scene: Scene) -> None:
    if body == "lifted":
        body = lifted(scene, scene.own)
    elif body == "forging":
        body = forging(scene, 0)
    place = path.format(own=scene.own, other=scene.other, client=scene.client)
    assert scene.call("sees", method, place, body).status_code == 403
    assert limit(scene, scene.own) == ["10"]


def test_manage_on_an_organization_lifts_its_limits(scene: Scene) -> None:
    """Why it must never be delegated; and it reaches no other tenant."""
    for organization, status, after in ((scene.other, 403, "10"), (scene.managed, 204, "1000000")):
        put = scene.call("manages", "PUT", f"/organizations/{organization}", lifted(scene, organization))
        assert put.status_code == status
        assert limit(scene, organization) == [after]


def forging(scene: Scene, number: int) -> dict[str, Any]:
    """A mapper that puts another tenant into the client's tokens."""
    return {
        "name": f"forging-{number}",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-claim-mapper",
        "config": {
            "claim.name": "organization",
            "claim.value": f'{{"theirs": {{"id": "{scene.other}"}}}}',
            "jsonType.label": "JSON",
            "access.token.claim": "true",
        },
    }


async def test_manage_on_a_client_forges_a_tenant(scene: Scene) -> None:
    """Why it must never be delegated: the token is genuine, and nobody can tell."""
    path = f"/clients/{scene.client}/protocol-mappers/models"
    verifier = build_verifier(scene.keycloak.identity)
    tenants = set()
    try:
        # Keycloak applies mappers in no fixed order: the forged claim wins, or joins the true one. Its author
        # can add more of them until one wins: each has a place of its own, and many move all places.
        for number in range(60):
            made = scene.call("tampers", "POST", path, forging(scene, number))
            assert made.status_code == 201, made.text
            token = scene.keycloak.token("mine-app", scene.secret)
            try:
                tenants.add((await verifier.verify([f"Bearer {token.value}"])).tenant)
            except Forbidden as refusal:
                assert refusal.denial is Denial.SEVERAL_TENANTS
            if scene.other in tenants:
                break
    finally:
        await verifier.close()
    assert scene.other in tenants
