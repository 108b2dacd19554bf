"""Tenants and where they are looked up."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from auth.limits import TenantLimits
from auth.refusals import Denial, Forbidden

ANY_MODEL = "*"

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)]


class TenantStatus(StrEnum):
    """Whether a tenant is served."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Tenant(BaseModel):
    """An organisation whose applications use the stack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Identifier = Field(description="What tokens name the tenant by; never changes.")
    name: Identifier = Field(description="The name people read.")
    status: TenantStatus = Field(default=TenantStatus.ACTIVE, description="Suspended tenants are refused.")
    models: tuple[Identifier, ...] = Field(
        default=(ANY_MODEL,), description="Catalog ids of the native models it may use; `*` means all."
    )
    policy: Identifier = Field(
        default="default", description="Id of the judging policy its answers are under."
    )
    limits: TenantLimits = Field(default=TenantLimits(), description="How much it may use.")

    def allows_model(self, model: str) -> bool:
        """Whether the tenant may use the native model with that catalog id."""
        return ANY_MODEL in self.models or model in self.models


class UnknownTenant(Forbidden):
    """The token names a tenant the directory does not have."""

    def __init__(self) -> None:
        super().__init__(Denial.UNKNOWN_TENANT)


class SuspendedTenant(Forbidden):
    """The tenant exists, but is not served at present."""

    def __init__(self) -> None:
        super().__init__(Denial.SUSPENDED_TENANT)


@dataclass(frozen=True, slots=True)
class TenantReport:
    """One tenant for whoever administers it: the short name and what is wrong with its settings."""

    tenant: Tenant
    alias: str
    problems: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """As JSON has it."""
        tenant = self.tenant
        return {
            "id": tenant.id,
            "alias": self.alias,
            "name": tenant.name,
            "status": tenant.status.value,
            "models": list(tenant.models),
            "policy": tenant.policy,
            **tenant.limits.model_dump(),
            "problems": list(self.problems),
        }


@dataclass(frozen=True, slots=True)
class DirectoryReport:
    """A directory's state: what it knows, since when (seconds since the epoch), and what is in its way."""

    source: str
    entries: tuple[TenantReport, ...]
    read_at: float | None = None
    problem: str | None = None


class TenantDirectory(Protocol):
    """Knows the tenants. Lookups are cheap and never block: ask again while a stream runs."""

    def get(self, tenant_id: str) -> Tenant:
        """The active tenant with that id.

        Raises `UnknownTenant`, `SuspendedTenant`, or `IssuerUnavailable` if the directory is out of date.
        """
        ...

    def tenants(self) -> Sequence[Tenant]:
        """Every tenant, suspended ones included, ordered by id. Raises `IssuerUnavailable`."""
        ...

    def report(self) -> DirectoryReport:
        """The directory's state, however old; never raises."""
        ...

    def ready(self) -> None:
        """Return if tenants can be looked up. Raises `IssuerUnavailable` with what is in the way."""
        ...

    def close(self) -> None:
        """Release what the directory holds."""
        ...


def active(tenant: Tenant | None) -> Tenant:
    """Return a looked-up tenant if it may be served. Raises `UnknownTenant` or `SuspendedTenant`."""
    if tenant is None:
        raise UnknownTenant
    if tenant.status is TenantStatus.SUSPENDED:
        raise SuspendedTenant
    return tenant
