"""Hand-typed attributes: what is read, what is refused, and that nonsense never widens anything."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.keycloak.attributes import OrganizationTenant, read_organization
from auth.keycloak.settings import TenantDefaults
from auth.limits import TenantLimits
from auth.tenants import TenantStatus

DEFAULTS = TenantDefaults(models=("*",), policy="default", limits=TenantLimits(requests_per_minute=100))


def organization(enabled: bool = True, **attributes: Any) -> dict[str, Any]:
    """An organization with `mizan.*` attributes; a value that is no list becomes one."""
    return {
        "id": "0c1d2e3f",
        "alias": "khouribga",
        "name": "Site de Khouribga",
        "enabled": enabled,
        "attributes": {
            f"mizan.{name}": value if isinstance(value, list) else [value]
            for name, value in attributes.items()
        },
    }


def read(last: Any = None, enabled: Any = True, **attributes: Any) -> OrganizationTenant:
    return read_organization(organization(enabled, **attributes), DEFAULTS, last)


def test_everything_set() -> None:
    entry = read(
        models="smol, mistral",
        policy="strict",
        requests_per_minute="60",
        tokens_per_minute="6000",
        tokens_per_day="100000",
        concurrent_streams="4",
        priority="-5",
        content_retention_days="30",
    )
    assert entry.problems == ()
    assert entry.tenant.models == ("smol", "mistral")
    assert entry.tenant.policy == "strict"
    assert entry.tenant.limits == TenantLimits(
        requests_per_minute=60,
        tokens_per_minute=6000,
        tokens_per_day=100_000,
        concurrent_streams=4,
        priority=-5,
        content_retention_days=30,
    )


def test_nothing_set_takes_the_defaults() -> None:
    entry = read_organization({"id": "1", "alias": "a", "name": "A"}, DEFAULTS, None)
    assert entry.tenant.limits.requests_per_minute == 100
    assert entry.tenant.status is TenantStatus.ACTIVE
    assert read(requests_per_minute="  ").tenant.limits.requests_per_minute == 100


def test_several_values_are_several_models() -> None:
    assert read(models=["smol", "mistral"]).tenant.models == ("smol", "mistral")


def test_disabled_organization_is_suspended() -> None:
    assert read(enabled=False).tenant.status is TenantStatus.SUSPENDED


NONSENSE = [
    ("requests_per_minute", "many"),
    ("requests_per_minute", "-1"),
    ("requests_per_minute", "1.5"),
    ("requests_per_minute", "1_000"),
    ("requests_per_minute", "1e9"),
    ("requests_per_minute", "٦٠"),
    ("requests_per_minute", "∞"),
    ("requests_per_minute", "9" * 40),
    ("requests_per_minute", ["60", "600"]),
    ("tokens_per_day", "0x10"),
    ("concurrent_streams", "unlimited"),
    ("priority", "101"),
    ("content_retention_days", "4000"),
    ("models", "smol,,mistral"),
    ("models", "smol mistral"),
    ("policy", ["default", "strict"]),
    ("policy", "a b"),
    ("policy", "x" * 300),
]


@pytest.mark.parametrize(("name", "value"), NONSENSE)
def test_nonsense_keeps_the_last_valid_value(name: str, value: Any) -> None:
    valid = {"requests_per_minute": "60", "models": "smol", "policy": "strict", "priority": "3"}
    last = read(**valid)
    entry = read(last, **(valid | {name: value}))
    assert entry.tenant == last.tenant
    assert len(entry.problems) == 1
    assert entry.problems[0].startswith(f"mizan.{name} must")
    # It stays in force however often the organization is read, until somebody puts it right.
    assert read(entry, **(valid | {name: value})) == entry
    assert read(entry, **valid) == last


@pytest.mark.parametrize(("name", "value"), NONSENSE)
def test_nonsense_from_the_start_is_not_served(name: str, value: Any) -> None:
    entry = read(**{name: value})
    again = read(entry, **{name: value})
    for found in (entry, again):
        assert found.tenant.status is TenantStatus.SUSPENDED
        assert "not served until this is put right" in found.problems
    assert read(again).tenant.status is TenantStatus.ACTIVE


def test_misspelt_attribute_is_reported() -> None:
    entry = read(request_per_minute="60")
    assert entry.problems == ("mizan.request_per_minute is not an attribute of Mizan",)
    assert entry.tenant.status is TenantStatus.ACTIVE


@given(texts=st.lists(st.lists(st.text(max_size=12), max_size=2), min_size=1, max_size=4))
def test_a_limit_is_only_ever_what_was_clearly_written(texts: list[list[str]]) -> None:
    """Whatever is typed, one after the other, the limit is the last clear number, or nobody is served."""
    entry: OrganizationTenant | None = None
    expected: int | None = None
    for values in texts:
        entry = read(entry, requests_per_minute=values)
        given_values = [value.strip() for value in values if value.strip()]
        if not given_values:
            expected = 100
        elif len(given_values) == 1 and given_values[0].isascii() and given_values[0].isdigit():
            expected = int(given_values[0])
        if expected is None:
            assert entry.tenant.status is TenantStatus.SUSPENDED
        else:
            assert entry.tenant.limits.requests_per_minute == expected
