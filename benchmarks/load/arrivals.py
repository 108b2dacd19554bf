"""When requests are sent.

An arrival process hands out tickets; workers, one connection each, ask for the next one when they are free.
A closed loop gives it at once: the server's slowness slows the arrivals. An open loop (to come) would wait
for the ticket's time and set `scheduled_ns`; a worker that comes late then still counts from that time.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to send one request. `scheduled_ns` (perf_counter_ns) is None where "now" is the schedule."""

    sequence: int
    scheduled_ns: int | None = None


class Arrivals(Protocol):
    """An arrival process; one instance serves one round."""

    @property
    def workers(self) -> int:
        """Connections it needs at most."""
        ...

    async def next(self) -> Ticket | None:
        """The next ticket, at its time; None when no more are to be sent."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one round may send: a count, a time, or whichever ends first.

    `deadline` (perf_counter seconds) ends the whole run; requests under way are finished, not cut off.
    """

    requests: int | None
    duration_s: float | None
    deadline: float


class ClosedLoop:
    """`concurrency` workers, each sending its next request as soon as its last one ended."""

    blind_spot = (
        "A closed loop sends the next request only when the last one ended: a stalled server is asked less, "
        "so queueing under independent arrivals does not show and tails look better than they are. Read it "
        "as capacity at a fixed number of users, not as latency under a given request rate."
    )

    def __init__(self, concurrency: int, budget: Budget) -> None:
        self.workers = concurrency
        self._budget = budget
        self._issued = 0
        self._began: float | None = None

    async def next(self) -> Ticket | None:
        """The next ticket at once, until the budget is spent."""
        now = perf_counter()
        if self._began is None:
            self._began = now
        spent = self._budget.requests is not None and self._issued >= self._budget.requests
        over = self._budget.duration_s is not None and now - self._began >= self._budget.duration_s
        if spent or over or now >= self._budget.deadline:
            return None
        self._issued += 1
        return Ticket(self._issued - 1)
