"""Claims of a Keycloak realm as tenant and scopes."""

from typing import Any

import pytest

from auth.mapping import KeycloakClaims, map_claims
from auth.principal import NO_TENANT
from auth.refusals import Denial, Forbidden

ID = "0c1d2e3f-0000-4000-8000-000000000001"
ROLES = {"mizan": {"roles": ["chat", "usage"]}, "account": {"roles": ["admin"]}}


def mapped(**claims: Any) -> tuple[str, frozenset[str]]:
    return map_claims(KeycloakClaims("mizan"), {"resource_access": ROLES} | claims)


def test_object_form_names_the_immutable_id() -> None:
    tenant, scopes = mapped(organization={"khouribga": {"id": ID, "mizan.policy": ["default"]}})
    assert tenant == ID
    assert scopes == {"chat", "usage"}


def test_array_form_names_the_alias() -> None:
    assert mapped(organization=["خريبكة"])[0] == "خريبكة"


def test_roles_of_other_clients_and_unknown_roles_mean_nothing() -> None:
    roles = {"mizan": {"roles": ["chat", "root", "uma_protection"]}, "other": {"roles": ["admin"]}}
    assert mapped(organization=["a"], resource_access=roles)[1] == {"chat"}


@pytest.mark.parametrize("roles", [{}, {"account": {"roles": ["chat"]}}, {"mizan": {}}])
def test_without_roles_there_are_no_scopes(roles: dict[str, Any]) -> None:
    assert mapped(organization=["a"], resource_access=roles)[1] == frozenset()


def test_operator_without_organization() -> None:
    roles = {"mizan": {"roles": ["admin", "chat", "usage"]}}
    assert mapped(resource_access=roles) == (NO_TENANT, frozenset({"admin", "usage"}))


@pytest.mark.parametrize(
    ("claims", "denial"),
    [
        ({}, Denial.NO_TENANT),
        ({"organization": []}, Denial.NO_TENANT),
        ({"organization": {}}, Denial.NO_TENANT),
        ({"organization": None}, Denial.NO_TENANT),
        ({"organization": ["a", "b"]}, Denial.SEVERAL_TENANTS),
        ({"organization": {"a": {"id": "1"}, "b": {"id": "2"}}}, Denial.SEVERAL_TENANTS),
        ({"organization": "khouribga"}, Denial.TENANT_FORM),
        ({"organization": [{"id": "1"}]}, Denial.TENANT_FORM),
        ({"organization": [""]}, Denial.TENANT_FORM),
        ({"organization": [ID]}, Denial.TENANT_FORM),
        ({"organization": [ID.replace("-", "").upper()]}, Denial.TENANT_FORM),
        ({"organization": {"khouribga": {}}}, Denial.TENANT_FORM),
        ({"organization": {"khouribga": {"id": ["1"]}}}, Denial.TENANT_FORM),
        ({"organization": {"khouribga": ID}}, Denial.TENANT_FORM),
        ({"organization": ["a"], "resource_access": []}, Denial.SCOPES_FORM),
        ({"organization": ["a"], "resource_access": {"mizan": "chat"}}, Denial.SCOPES_FORM),
        ({"organization": ["a"], "resource_access": {"mizan": {"roles": "chat"}}}, Denial.SCOPES_FORM),
        ({"organization": ["a"], "resource_access": {"mizan": {"roles": [1]}}}, Denial.SCOPES_FORM),
    ],
    ids=str,
)
def test_refused(claims: dict[str, Any], denial: Denial) -> None:
    with pytest.raises(Forbidden) as refusal:
        mapped(**claims)
    assert refusal.value.denial is denial
    assert refusal.value.status == 403
