"""Tenants and their applications from a YAML file, read again when the file changes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Self

import structlog
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from auth import strict_yaml
from auth.clock import Clock, SystemClock
from auth.principal import OPERATOR_SCOPES, TENANT_SCOPES
from auth.tenants import DirectoryReport, Tenant, TenantReport, active

DEVELOPMENT_TENANTS: Final = Path(__file__).with_name("development.yaml")

_CHECK_INTERVAL: Final = 1.0
_log = structlog.get_logger("mizan.auth.tenants")

ClientId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
TenantId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class InvalidTenants(ValueError):  # noqa: N818 - says what is the case
    """The file cannot be used; the message is one sentence per problem and names the field."""


class Application(BaseModel):
    """An OAuth client of the embedded development issuer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: ClientId = Field(description="The OAuth client id.")
    scopes: frozenset[str] = Field(description="Scopes the application may ask for.")


class TenantEntry(Tenant):
    """A tenant with its applications."""

    id: TenantId = Field(description="What tokens name the tenant by; never changes.")
    applications: tuple[Application, ...] = Field(default=(), description="Its OAuth clients.")


class Tenants(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenants: tuple[TenantEntry, ...] = Field(description="The organisations served.")
    operators: tuple[Application, ...] = Field(
        default=(), description="Applications of whoever runs the stack; they belong to no tenant."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        _refuse_repeated("tenants: the id", [tenant.id for tenant in self.tenants])
        applications = [application for tenant in self.tenants for application in tenant.applications]
        _refuse_repeated("applications: the id", [entry.id for entry in (*applications, *self.operators)])
        for entries, allowed in (
            (applications, TENANT_SCOPES),
            (self.operators, OPERATOR_SCOPES | {"usage"}),
        ):
            for entry in entries:
                if not entry.scopes <= allowed:
                    raise ValueError(
                        f"applications: {entry.id} may have the scopes {', '.join(sorted(allowed))} only"
                    )
        return self

    def application(self, client_id: str) -> tuple[Application, TenantEntry | None] | None:
        """The application with that client id and its tenant (None for an operator's)."""
        for tenant in self.tenants:
            for entry in tenant.applications:
                if entry.id == client_id:
                    return entry, tenant
        for entry in self.operators:
            if entry.id == client_id:
                return entry, None
        return None

    def client_ids(self) -> tuple[str, ...]:
        """Every application's client id."""
        return tuple(entry.id for tenant in self.tenants for entry in tenant.applications) + tuple(
            entry.id for entry in self.operators
        )


def read_tenants(path: Path) -> Tenants:
    """Read and check a tenants file. Raises `InvalidTenants`."""
    try:
        return Tenants.model_validate(strict_yaml.load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidTenants(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
        raise InvalidTenants(f"{path}: {'; '.join(problems)}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidTenants(f"{path}: {error}") from error


class TenantFile:
    """A tenants file on disk. An edit that does not check leaves the last valid content in force."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        """Read the file. Raises `InvalidTenants` if it is no use at the start."""
        self._path = path
        self._clock = clock or SystemClock()
        self._seen = self._fingerprint()
        self._checked_at = self._clock.elapsed()
        self._content = read_tenants(path)
        self.problem: str | None = None
        """Why the last edit is not in force, if it is not."""

    def current(self) -> Tenants:
        """The content in force; looks at the file at most once a second."""
        now = self._clock.elapsed()
        if now - self._checked_at < _CHECK_INTERVAL:
            return self._content
        self._checked_at = now
        fingerprint = self._fingerprint()
        if fingerprint == self._seen:
            return self._content
        self._seen = fingerprint
        try:
            self._content = read_tenants(self._path)
        except InvalidTenants as error:
            self.problem = str(error)
            _log.error(
                "tenants_file_invalid", path=str(self._path), problem=str(error), kept="last valid content"
            )
        else:
            self.problem = None
            _log.info("tenants_file_read", path=str(self._path), tenants=len(self._content.tenants))
        return self._content

    def _fingerprint(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


class FileTenantDirectory:
    """The `TenantDirectory` of a tenants file."""

    def __init__(self, file: TenantFile) -> None:
        self._file = file
        self._content: Tenants | None = None
        self._tenants: dict[str, Tenant] = {}

    def get(self, tenant_id: str) -> Tenant:
        return active(self._by_id().get(tenant_id))

    def tenants(self) -> Sequence[Tenant]:
        return sorted(self._by_id().values(), key=lambda tenant: tenant.id)

    def report(self) -> DirectoryReport:
        entries = tuple(TenantReport(tenant, tenant.id) for tenant in self.tenants())
        return DirectoryReport("file", entries, problem=self._file.problem)

    def ready(self) -> None:
        """A file that was no use has been refused at the start already."""

    def close(self) -> None:
        """Nothing is held open."""

    def _by_id(self) -> dict[str, Tenant]:
        content = self._file.current()
        if content is not self._content:
            self._tenants = {
                entry.id: Tenant(**entry.model_dump(exclude={"applications"})) for entry in content.tenants
            }
            self._content = content
        return self._tenants


def _refuse_repeated(what: str, values: list[str]) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{what} {', '.join(repeated)} is used twice")
