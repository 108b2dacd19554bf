"""An organization as a tenant: its `mizan.*` attributes, checked as what they are, hand-typed text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from auth.claims import printable
from auth.keycloak.settings import TenantDefaults
from auth.limits import TenantLimits
from auth.tenants import Tenant, TenantReport, TenantStatus

PREFIX: Final = "mizan."

LIMITS: Final = tuple(TenantLimits.model_fields)
ATTRIBUTES: Final = ("models", "policy", *LIMITS)
"""Names after the prefix."""


class Nonsense(ValueError):  # noqa: N818 - says what is the case
    """An attribute's value that cannot be meant; the message completes "mizan.x …"."""


@dataclass(frozen=True, slots=True)
class OrganizationTenant:
    """A tenant as read from an organization, with what is wrong about its attributes."""

    tenant: Tenant
    alias: str
    problems: tuple[str, ...] = ()
    never_valid: frozenset[str] = frozenset()
    """Attributes that have had no valid value so far; the tenant is not served while there are any."""

    def report(self) -> TenantReport:
        """What its administrator is shown."""
        return TenantReport(self.tenant, self.alias, self.problems)


def read_organization(
    organization: Mapping[str, Any], defaults: TenantDefaults, last: OrganizationTenant | None
) -> OrganizationTenant:
    """Read one organization as Keycloak represents it.

    A value that makes no sense leaves that of `last` in force. Where there is no valid one to fall back to,
    the tenant is not served: nothing that was mistyped may ever widen what a tenant can do.
    """
    attributes: Mapping[str, Sequence[str]] = organization.get("attributes") or {}
    values: dict[str, Any] = {}
    problems: list[str] = []
    never_valid: set[str] = set()
    known = _last_valid(last)
    for name, default in _fields(defaults):
        texts = [text.strip() for text in attributes.get(PREFIX + name, ()) if text.strip()]
        try:
            values[name] = _READERS.get(name, _number(name))(texts) if texts else default
        except Nonsense as error:
            problems.append(f"{PREFIX}{name} {error}")
            if name not in known:
                never_valid.add(name)
            values[name] = known.get(name, default)
    problems.extend(
        f"{name} is not an attribute of Mizan"
        for name in sorted(attributes)
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in ATTRIBUTES
    )
    if never_valid:
        problems.append("not served until this is put right")
    served = organization.get("enabled", True) and not never_valid
    limits = {name: values.pop(name) for name in LIMITS}
    tenant = Tenant(
        id=organization["id"],
        name=printable(organization.get("name")) or organization["alias"],
        status=TenantStatus.ACTIVE if served else TenantStatus.SUSPENDED,
        limits=TenantLimits(**limits),
        **values,
    )
    return OrganizationTenant(tenant, organization["alias"], tuple(problems), frozenset(never_valid))


def to_attributes(changes: Mapping[str, str]) -> dict[str, list[str]]:
    """The attributes that commands write, for checked texts by name; an empty text is left out."""
    return {PREFIX + name: [text] for name, text in changes.items() if text}


def check(name: str, text: str) -> None:
    """Raise `Nonsense` unless `text` can be the value of the attribute `name`."""
    _READERS.get(name, _number(name))([text])


def _last_valid(last: OrganizationTenant | None) -> dict[str, Any]:
    if last is None:
        return {}
    return {name: value for name, value in _fields(last.tenant) if name not in last.never_valid}


def _fields(source: Tenant | TenantDefaults) -> list[tuple[str, Any]]:
    limits = [(name, getattr(source.limits, name)) for name in LIMITS]
    return [("models", source.models), ("policy", source.policy), *limits]


def _models(texts: Sequence[str]) -> tuple[str, ...]:
    """One id a value, or several in one with commas between."""
    models = tuple(model.strip() for text in texts for model in text.split(","))
    if not all(printable(model) for model in models) or any(" " in model for model in models):
        raise Nonsense("must be model ids with commas between, or *")
    return models


def _policy(texts: Sequence[str]) -> str:
    policy = printable(_only(texts))
    if policy is None or " " in policy:
        raise Nonsense("must be the id of one policy")
    return policy


def _number(name: str) -> Callable[[Sequence[str]], int]:
    def read(texts: Sequence[str]) -> int:
        text = _only(texts)
        # int() also takes underscores, blanks and other scripts' digits: too clever for a limit.
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
            raise Nonsense(f"must be a whole number, not {text!r:.60}")
        bounds = {"priority": (-100, 100), "content_retention_days": (0, 3650)}
        low, high = bounds.get(name, (0, 10**15))
        if not low <= int(text) <= high:
            raise Nonsense(f"must be between {low} and {high}, not {text}")
        return int(text)

    return read


def _only(texts: Sequence[str]) -> str:
    if len(texts) != 1:
        raise Nonsense("must have one value only")
    return texts[0]


_READERS: Final[dict[str, Callable[[Sequence[str]], Any]]] = {"models": _models, "policy": _policy}
