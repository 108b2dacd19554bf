"""Where violations are counted and quarantines are kept."""

from collections.abc import Sequence
from typing import Protocol

from serving.quarantine.records import Quarantined

KEPT_HISTORY = 1000
"""Lifted quarantines that can be listed."""


class QuarantineUnavailable(Exception):  # noqa: N818 - says what is the case
    """Quarantines cannot be read or written now; `str()` says why, for the log."""


class QuarantineStore(Protocol):
    """Survives restarts; one for all gateway replicas. All methods raise `QuarantineUnavailable` and nothing
    else. Times are seconds since the epoch."""

    async def count(self, application: str, request_id: str, now: float, window: float) -> int:
        """Remember a violation, once for each request; how many the window up to now holds."""
        ...

    async def impose(self, entry: Quarantined) -> bool:
        """Quarantine an application. False where it was already."""
        ...

    async def lift(self, application: str, now: float, by: str, reason: str | None) -> Quarantined | None:
        """Let an application in again, with none of its violations; the closed record, None if there was
        nothing to lift."""
        ...

    async def active(self) -> Sequence[Quarantined]:
        """All that are quarantined now, oldest first."""
        ...

    async def lifted(self) -> Sequence[Quarantined]:
        """The last that were lifted, latest first."""
        ...

    async def close(self) -> None:
        """Release what the store holds."""
        ...
