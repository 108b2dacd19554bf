"""Identity settings: defaults that work, and sentences that name what is wrong."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from auth.keycloak.settings import KeycloakSettings, LocalServerSettings, TenantDefaults
from auth.limits import TenantLimits
from auth.settings import EmbeddedIssuerSettings, IdentitySettings


def test_defaults_use_the_embedded_issuer() -> None:
    settings = IdentitySettings()
    assert settings.issuer_url == "http://127.0.0.1:8099"
    assert not str(settings.embedded.state_dir).startswith("~")


def test_keycloak_realm_is_the_issuer_where_tenants_come_from_it() -> None:
    settings = IdentitySettings.model_validate(
        {
            "tenants": "keycloak",
            "claims": "keycloak",
            "embedded": {"enabled": False},
            "keycloak": {"server": "https://sso.example.org/", "realm": "company"},
        }
    )
    assert settings.issuer_url == "https://sso.example.org/realms/company"


def test_every_field_is_described() -> None:
    sections: list[type[BaseModel]] = [
        IdentitySettings,
        EmbeddedIssuerSettings,
        KeycloakSettings,
        LocalServerSettings,
        TenantDefaults,
        TenantLimits,
    ]
    for section in sections:
        assert all(field.description for field in section.model_fields.values())


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"production": True}, "embedded.enabled must be false where production is true"),
        ({"embedded": {"enabled": False}}, "issuer must be set"),
        ({"issuer": "https://sso.example.org"}, "set embedded.enabled to false"),
        ({"issuer": "http://sso.example.org", "embedded": {"enabled": False}}, "must use https"),
        ({"tenants": "keycloak"}, "claims must be keycloak too"),
        ({"tenants": "keycloak", "embedded": {"enabled": False}}, "claims must be keycloak too"),
        ({"algorithms": ["HS256"]}, "algorithms: HS256 cannot be allowed"),
        ({"algorithms": ["none"]}, "algorithms: none cannot be allowed"),
        ({"algorithms": []}, "algorithms"),
        ({"jwks_fresh_seconds": 10, "jwks_stale_seconds": 5}, "jwks_stale_seconds"),
        ({"leeway_seconds": 3600}, "leeway_seconds"),
        ({"audiance": "x"}, "audiance"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as error:
        IdentitySettings.model_validate(fields)
    assert named in str(error.value)
