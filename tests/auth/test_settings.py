"""Identity settings: defaults that work, and sentences that name what is wrong."""

from typing import Any

import pytest
from pydantic import ValidationError

from auth.settings import IdentitySettings


def test_defaults_use_the_embedded_issuer() -> None:
    settings = IdentitySettings()
    assert settings.issuer_url == "http://127.0.0.1:8099"
    assert not str(settings.embedded.state_dir).startswith("~")


def test_every_field_is_described() -> None:
    for model in (IdentitySettings, type(IdentitySettings().embedded)):
        assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"production": True}, "embedded.enabled must be false where production is true"),
        ({"embedded": {"enabled": False}}, "issuer must be set"),
        ({"issuer": "https://sso.example.org"}, "set embedded.enabled to false"),
        ({"issuer": "http://sso.example.org", "embedded": {"enabled": False}}, "must use https"),
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
