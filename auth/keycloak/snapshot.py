"""The last known tenants on disk, so that a gateway can start while Keycloak is down."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from auth.keycloak.attributes import OrganizationTenant
from auth.private_file import write_private
from auth.tenants import Tenant

_log = structlog.get_logger("mizan.auth.tenants")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All tenants by id, as read at `read_at` (seconds since the epoch)."""

    tenants: Mapping[str, OrganizationTenant]
    read_at: float


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: Tenant
    alias: str
    problems: tuple[str, ...]
    never_valid: frozenset[str]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str
    read_at: float
    entries: tuple[_Entry, ...]


class SnapshotFile:
    """One file for one realm; a file of another realm or from another version is ignored."""

    def __init__(self, path: Path, issuer: str) -> None:
        self._path = path
        self._issuer = issuer

    def load(self) -> Snapshot | None:
        """What was last saved, if it can be used."""
        try:
            content = _File.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            _log.warning("tenants_snapshot_unusable", path=str(self._path))
            return None
        if content.issuer != self._issuer:
            return None
        entries = {entry.tenant.id: OrganizationTenant(**dict(entry)) for entry in content.entries}
        return Snapshot(entries, content.read_at)

    def save(self, snapshot: Snapshot) -> None:
        """Replace the file. A full disk is logged, not raised: the tenants in memory still hold."""
        entries = tuple(
            _Entry(
                tenant=entry.tenant,
                alias=entry.alias,
                problems=entry.problems,
                never_valid=entry.never_valid,
            )
            for entry in snapshot.tenants.values()
        )
        content = _File(issuer=self._issuer, read_at=snapshot.read_at, entries=entries)
        try:
            write_private(self._path, content.model_dump_json())
        except OSError as error:
            _log.error("tenants_snapshot_not_saved", path=str(self._path), problem=error.strerror)
