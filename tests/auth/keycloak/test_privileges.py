"""What an application of one tenant can try: another tenant's claim, wider roles, its own limits."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from auth.assembly import build_verifier
from auth.client import TokenRefused
from auth.keycloak.application_administration import ApplicationAdministration
from auth.keycloak.settings import TenantDefaults
from auth.keycloak.tenant_administration import TenantAdministration
from auth.refusals import Denial, Forbidden

from .conftest import Keycloak

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Intruder:
    """An application of `own` that would like to be one of `other`."""

    client_id: str
    secret: str
    own: str
    other: str


@pytest.fixture(scope="module")
def intruder(keycloak: Keycloak) -> Iterator[Intruder]:
    admin = keycloak.admin()
    tenants = TenantAdministration(admin, TenantDefaults())
    tenants.create("own", None, {"requests_per_minute": "10"})
    tenants.create("other", None, {})
    applications = ApplicationAdministration(admin, tenants, "mizan")
    _, secret = applications.create("intruder", "own", ["chat"])
    assert secret is not None
    yield Intruder("intruder", secret, tenants.organization("own")["id"], tenants.organization("other")["id"])
    applications.delete("intruder")
    for alias in ("own", "other"):
        tenants.delete(alias)


_SCOPES = [
    None,
    "openid",
    "roles admin",
    "organization",
    "organization:own",
    "organization:*",
    "organization:other",
    "organization:own organization:other",
]


@pytest.mark.parametrize("scope", _SCOPES)
async def test_whatever_it_asks_for_it_stays_in_its_tenant_or_is_refused(
    scope: str | None, keycloak: Keycloak, intruder: Intruder
) -> None:
    try:
        token = keycloak.token(intruder.client_id, intruder.secret, scope)
    except TokenRefused:
        return
    verifier = build_verifier(keycloak.identity)
    try:
        principal = await verifier.verify([f"Bearer {token.value}"])
    except Forbidden as refusal:
        # Another organization's alias leaves the claim out where the scope is a default one.
        assert refusal.denial is Denial.NO_TENANT
        return
    finally:
        await verifier.close()
    assert principal.tenant == intruder.own
    assert principal.scopes == {"chat"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/organizations", None),
        ("GET", "/organizations/{own}", None),
        (
            "PUT",
            "/organizations/{own}",
            {"name": "own", "attributes": {"mizan.requests_per_minute": ["999"]}},
        ),
        ("POST", "/organizations/{other}/members", "service-account"),
        ("GET", "/clients", None),
        ("POST", "/clients", {"clientId": "another"}),
        ("GET", "/users", None),
        ("PUT", "", {"displayName": "taken over"}),
    ],
)
def test_administration_is_closed_to_applications(
    method: str, path: str, body: object, keycloak: Keycloak, intruder: Intruder
) -> None:
    token = keycloak.token(intruder.client_id, intruder.secret)
    answer = httpx.request(
        method,
        f"{keycloak.settings.server}/admin/realms/{keycloak.settings.realm}"
        + path.format(own=intruder.own, other=intruder.other),
        json=body,
        headers={"Authorization": f"Bearer {token.value}"},
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == 403
