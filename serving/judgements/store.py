"""Where judgements are kept."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Kept:
    """The judgement of one request. `body` is what the owner reads; it holds no text of prompt or answer."""

    request_id: str
    tenant: str
    created: float
    body: dict[str, Any]


class JudgementsUnavailable(Exception):  # noqa: N818  says what is the case
    """Judgements cannot be read or written now; `str()` says why, for the log."""


class JudgementStore(Protocol):
    """One for all gateway replicas, bounded in age. Methods raise `JudgementsUnavailable` and nothing else.
    Times are seconds since the epoch."""

    async def keep(self, kept: Kept) -> None:
        """Remember a judgement, off the event loop."""
        ...

    async def find(self, tenant: str, request_id: str, now: float) -> dict[str, Any] | None:
        """The body of a tenant's own judgement; None for another's, an old one or none."""
        ...

    async def close(self) -> None:
        """Release what the store holds."""
        ...
