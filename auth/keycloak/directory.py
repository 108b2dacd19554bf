"""The tenant directory of a Keycloak realm: polled in the background, last known good on disk."""

import threading
from collections.abc import Mapping, Sequence
from typing import Final

import httpx
import structlog
from prometheus_client import Gauge

from auth.clock import Clock, SystemClock
from auth.keycloak.attributes import OrganizationTenant, read_organization
from auth.keycloak.credentials import UnusableCredentials, read_client
from auth.keycloak.organizations import OrganizationReader, UnreadableOrganizations
from auth.keycloak.settings import KeycloakSettings
from auth.keycloak.snapshot import Snapshot, SnapshotFile
from auth.refusals import IssuerUnavailable
from auth.tenants import DirectoryReport, Tenant, active

PROBLEMS: Final = Gauge(
    "mizan_tenant_problems",
    "Organizations whose mizan.* attributes do not make sense.",
    multiprocess_mode="mostrecent",
)
AGE: Final = Gauge(
    "mizan_tenants_read_timestamp_seconds",
    "When the organizations were last read completely.",
    multiprocess_mode="mostrecent",
)

_SAVE_INTERVAL: Final = 60.0
_log = structlog.get_logger("mizan.auth.tenants")


class KeycloakTenantDirectory:
    """A `TenantDirectory` whose tenants are the organizations of a realm, by id or by alias.

    A daemon thread reads them every `poll_seconds`; lookups touch memory only, from any thread. While
    Keycloak cannot be read, what was last known is used until it is `max_age_seconds` old.
    """

    def __init__(
        self,
        settings: KeycloakSettings,
        *,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._client = httpx.Client(transport=transport, trust_env=False, timeout=10)
        self._file = SnapshotFile(settings.snapshot_file, settings.issuer)
        self._reader: OrganizationReader | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="mizan-tenants", daemon=True)
        self._failure: str | None = "the organizations have not been read yet"
        self._saved_at = float("-inf")
        self._aliases: dict[str, str] = {}
        self._snapshot: Snapshot | None = None
        self._take(self._file.load())

    def start(self) -> "KeycloakTenantDirectory":
        """Begin to poll."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop polling."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(15)
        self._client.close()

    def get(self, tenant_id: str) -> Tenant:
        entries = self._current().tenants
        entry = entries.get(tenant_id) or entries.get(self._aliases.get(tenant_id, ""))
        return active(entry.tenant if entry else None)

    def tenants(self) -> Sequence[Tenant]:
        return [entry.tenant for entry in self.entries()]

    def entries(self) -> Sequence[OrganizationTenant]:
        """Every tenant with its alias and what is wrong with its attributes, ordered by id."""
        return sorted(self._current().tenants.values(), key=lambda entry: entry.tenant.id)

    def report(self) -> DirectoryReport:
        snapshot = self._snapshot
        if snapshot is None:
            return DirectoryReport("keycloak", (), problem=self._failure)
        entries = sorted(snapshot.tenants.values(), key=lambda entry: entry.tenant.id)
        reports = tuple(entry.report() for entry in entries)
        return DirectoryReport("keycloak", reports, snapshot.read_at, self._failure)

    def ready(self) -> None:
        """Return if tenants are known. Raises `IssuerUnavailable` with what is in the way."""
        self._current()

    def refresh(self) -> None:
        """Read the organizations now. Raises `UnreadableOrganizations`; what was known stays in force."""
        try:
            if self._reader is None:
                credentials = read_client(self._settings.reader_file)
                self._reader = OrganizationReader(self._client, self._settings, credentials)
            self._read(self._reader)
        except UnusableCredentials as error:
            self._note_failure(str(error))
            raise UnreadableOrganizations(str(error)) from error
        except UnreadableOrganizations as error:
            # The reader's secret may have been replaced: take it from the file again.
            self._reader = None
            self._note_failure(str(error))
            raise

    def _current(self) -> Snapshot:
        snapshot = self._snapshot
        if snapshot is None:
            raise IssuerUnavailable(f"no tenants are known: {self._failure}")
        age = self._clock.now() - snapshot.read_at
        if age > self._settings.max_age_seconds:
            raise IssuerUnavailable(f"the tenants were last read {age:.0f} s ago: {self._failure}")
        return snapshot

    def _poll(self) -> None:
        while not self._stopped.is_set():
            try:
                self.refresh()
            except UnreadableOrganizations:
                pass
            except Exception:  # noqa: BLE001 - see below
                # Without this thread no suspension would ever be felt again.
                _log.exception("tenants_poll_failed")
            self._stopped.wait(self._settings.poll_seconds)

    def _read(self, reader: OrganizationReader) -> None:
        read_at = self._clock.now()
        known = self._snapshot.tenants if self._snapshot else {}
        organizations = reader.read_all()
        # A deletion while the pages were read shifts the rest, so that one can be missed: ask for it by id.
        for identifier in known.keys() - organizations.keys():
            organization = reader.read_one(identifier)
            if organization is not None:
                organizations[identifier] = organization
        defaults = self._settings.defaults
        tenants = {
            identifier: read_organization(organization, defaults, known.get(identifier))
            for identifier, organization in organizations.items()
        }
        self._log_changes(known, tenants)
        changed = dict(known) != tenants
        snapshot = Snapshot(tenants, read_at)
        self._take(snapshot)
        if changed or read_at - self._saved_at >= _SAVE_INTERVAL:
            self._file.save(snapshot)
            self._saved_at = read_at
        if self._failure is not None:
            _log.info("tenants_read", tenants=len(tenants), realm=self._settings.realm)
        self._failure = None

    def _take(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            return
        # An alias can equal another organization's id only if somebody made it so: ids win in `get`.
        self._aliases = {entry.alias: identifier for identifier, entry in snapshot.tenants.items()}
        self._snapshot = snapshot
        PROBLEMS.set(sum(bool(entry.problems) for entry in snapshot.tenants.values()))
        AGE.set(snapshot.read_at)

    def _note_failure(self, problem: str) -> None:
        if problem != self._failure:
            _log.warning("tenants_unreadable", problem=problem, kept="last known tenants")
        self._failure = problem

    @staticmethod
    def _log_changes(
        before: Mapping[str, OrganizationTenant], tenants: Mapping[str, OrganizationTenant]
    ) -> None:
        for identifier, entry in tenants.items():
            last = before.get(identifier)
            if last == entry:
                continue
            _log.info(
                "tenant_changed" if last else "tenant_found",
                tenant=identifier,
                alias=entry.alias,
                status=entry.tenant.status.value,
            )
            if entry.problems and (last is None or last.problems != entry.problems):
                _log.error("tenant_attributes_invalid", tenant=identifier, problems=list(entry.problems))
        for identifier in before.keys() - tenants.keys():
            _log.info("tenant_gone", tenant=identifier)
