"""Counts violations, shuts applications out, and knows at every moment who is."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import structlog

from auth.principal import Principal
from serving.errors import RequestError
from serving.judging.conversation import Stage
from serving.quarantine.records import Quarantined
from serving.quarantine.settings import QuarantineSettings
from serving.quarantine.store import QuarantineStore, QuarantineUnavailable
from serving.telemetry import QUARANTINED, QUARANTINES, VIOLATIONS, tenant_label

T = TypeVar("T")

_log = structlog.get_logger("mizan.quarantine")

RECORDING_PATIENCE = 300.0
"""Seconds for which a violation that cannot be recorded is tried again."""

CATCHING_UP = 1.0
"""Seconds that a request waits for violations of its application that are being recorded."""


class Quarantine:
    """The quarantine as one gateway replica sees it: a list that is read again when it is a second old.

    While the store cannot be reached the list stays as it was; before it has been read for the first time
    nobody gets through, so that nobody comes out of quarantine by a restart.
    """

    def __init__(
        self,
        store: QuarantineStore,
        settings: QuarantineSettings,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._elapsed = elapsed
        self._listed: dict[str, Quarantined] | None = None
        self._read_at = float("-inf")
        self._changes = 0
        self._reading: asyncio.Task[None] | None = None
        self._recording: dict[str, set[asyncio.Task[None]]] = {}

    async def require_free(self, application: str) -> None:
        """Raise RequestError 403 for a quarantined application, 503 where nobody knows."""
        if recording := self._recording.get(application):
            await asyncio.wait(recording, timeout=CATCHING_UP)
        if self._stale:
            await asyncio.shield(self._read())
        self.still_free(application)

    def still_free(self, application: str) -> None:
        """As `require_free`, from the list as it is; one that is old is read again meanwhile."""
        if self._stale:
            self._read()
        if self._listed is None:
            raise RequestError(
                503,
                "Whether this application is quarantined is not known now.",
                code="quarantine_unavailable",
                headers={"Retry-After": "5"},
            )
        if application in self._listed:
            raise RequestError(403, refusal(self._listed[application]), code="application_quarantined")

    def counts(self, stage: Stage) -> bool:
        """Whether a violation at that stage counts."""
        return stage.value in self._settings.counted

    def violated(self, principal: Principal, request_id: str, stage: Stage) -> None:
        """Count a violation of an application, and quarantine it where that is one too many."""
        VIOLATIONS.labels(tenant_label(principal.tenant), stage.value).inc()
        if self._settings.violations is None:
            return
        task = asyncio.get_running_loop().create_task(self._record(principal, request_id))
        recording = self._recording.setdefault(principal.application, set())
        recording.add(task)
        task.add_done_callback(lambda done: self._recorded(principal.application, done))

    async def active(self) -> Sequence[Quarantined]:
        """Who is quarantined now. Raises RequestError 503."""
        return await _available(self._store.active())

    async def lifted(self) -> Sequence[Quarantined]:
        """Who was, latest first. Raises RequestError 503."""
        return await _available(self._store.lifted())

    async def impose(self, application: str, reason: str, by: str) -> bool:
        """Quarantine an application by hand. False where it was already. Raises RequestError 503."""
        entry = Quarantined(
            application=application, tenant="", since=self._clock(), reason=reason, imposed_by=by
        )
        imposed = await _available(self._store.impose(entry))
        if imposed:
            self._imposed(entry)
        return imposed

    async def lift(self, application: str, by: str, reason: str | None) -> Quarantined | None:
        """Let an application in again; None where it was not quarantined. Raises RequestError 503."""
        entry = await _available(self._store.lift(application, self._clock(), by, reason))
        if entry is not None:
            self._changes += 1
            QUARANTINES.labels("lifted").inc()
            _log.warning("quarantine_lifted", application=application, by=by, reason=reason)
            if self._listed is not None:
                self._listed.pop(application, None)
        return entry

    async def ready(self) -> None:
        """Return where the list has been read. Raises `QuarantineUnavailable`."""
        if self._listed is None:
            await asyncio.shield(self._read())
        if self._listed is None:
            raise QuarantineUnavailable("the list of quarantined applications has not been read yet")

    async def close(self) -> None:
        """Stop what is under way, and release the store."""
        tasks = [task for recording in self._recording.values() for task in recording]
        if self._reading is not None:
            tasks.append(self._reading)
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._store.close()

    @property
    def _stale(self) -> bool:
        return self._elapsed() - self._read_at >= self._settings.refresh_seconds

    def _read(self) -> asyncio.Task[None]:
        """Read the list, once however many ask."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._refresh())
        return self._reading

    async def _refresh(self) -> None:
        try:
            changes = -1
            while changes != self._changes:  # what changes here meanwhile must not be overwritten
                changes = self._changes
                entries = await self._store.active()
        except QuarantineUnavailable as error:
            _log.error("quarantines_not_read", problem=str(error), kept=self._listed is not None)
        else:
            self._listed = {entry.application: entry for entry in entries}
            QUARANTINED.set(len(self._listed))
        self._read_at = self._elapsed()

    async def _record(self, principal: Principal, request_id: str) -> None:
        pause, deadline = 0.25, self._elapsed() + RECORDING_PATIENCE
        while True:
            try:
                return await self._count(principal, request_id)
            except QuarantineUnavailable as error:
                if self._elapsed() > deadline:
                    _log.error("violation_lost", application=principal.application, problem=str(error))
                    return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, 10.0)

    async def _count(self, principal: Principal, request_id: str) -> None:
        settings, now = self._settings, self._clock()
        count = await self._store.count(principal.application, request_id, now, settings.window_seconds)
        if settings.violations is None or count <= settings.violations:
            return
        entry = Quarantined(
            application=principal.application,
            tenant=principal.tenant,
            since=now,
            reason=f"{count} violations within {settings.window_seconds:.0f} s",
            violations=count,
        )
        if await self._store.impose(entry):
            self._imposed(entry)

    def _imposed(self, entry: Quarantined) -> None:
        self._changes += 1
        QUARANTINES.labels("imposed").inc()
        _log.warning("quarantine_imposed", **entry.public())
        if self._listed is not None:
            self._listed[entry.application] = entry

    def _recorded(self, application: str, task: asyncio.Task[None]) -> None:
        recording = self._recording.get(application, set())
        recording.discard(task)
        if not recording:
            self._recording.pop(application, None)


def refusal(entry: Quarantined) -> str:
    """What a quarantined application reads. A supervisor's own words stay with the supervisors."""
    why = entry.reason if entry.imposed_by is None else "by a supervisor"
    return f"This application is quarantined ({why}). Only a supervisor can lift that."


async def _available(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except QuarantineUnavailable as error:
        _log.error("quarantine_unavailable", problem=str(error))
        raise RequestError(
            503,
            "Quarantines cannot be read or written now.",
            code="quarantine_unavailable",
            headers={"Retry-After": "5"},
        ) from error
