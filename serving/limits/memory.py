"""Usage counted in this process."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from auth.limits import TenantLimits
from serving.limits.rates import RATES, STREAMS, Rate
from serving.limits.store import Claim, Decision, Standing

STREAM_RETRY = 1.0
"""Seconds to wait for a stream to end: nobody knows when one will."""


class Window:
    """What one tenant used of one rate: amounts by bucket, oldest first."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: dict[int, int] = {}
        self.used = 0

    def advance(self, now: float) -> None:
        """Forget what is past."""
        present = self._bucket(now)
        for bucket in list(self._buckets):
            if present - bucket <= self._rate.buckets:
                break
            self.used -= self._buckets.pop(bucket)

    def add(self, now: float, amount: int) -> None:
        bucket = self._bucket(now)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + amount
        self.used += amount

    def change(self, at: float, difference: int) -> None:
        """Correct what was added at a moment, as long as that still counts."""
        bucket = self._bucket(at)
        if bucket in self._buckets:
            difference = max(difference, -self._buckets[bucket])
            self._buckets[bucket] += difference
            self.used += difference

    def wait(self, now: float, amount: int, limit: int) -> float | None:
        """Seconds until `amount` fits, 0 where it does; None for never."""
        if amount > limit:
            return None
        excess = self.used + amount - limit
        wait = 0.0
        for bucket, held in self._buckets.items():
            if excess <= 0:
                break
            excess -= held
            wait = self._end(bucket) - now
        return wait

    def reset(self, now: float) -> float:
        """Seconds until nothing is in use."""
        held = [bucket for bucket, amount in self._buckets.items() if amount]
        return self._end(held[-1]) - now if held else 0.0

    def _bucket(self, now: float) -> int:
        return math.floor(now / self._rate.bucket)

    def _end(self, bucket: int) -> float:
        return float((bucket + self._rate.buckets + 1) * self._rate.bucket)


@dataclass(slots=True)
class _Usage:
    windows: dict[Rate, Window] = field(default_factory=lambda: {rate: Window(rate) for rate in RATES})
    leases: dict[str, float] = field(default_factory=dict)
    now: float = 0.0


class MemoryStore:
    """A `LimitStore` of one process, which grants one of `sharers` equal shares of every limit.

    `clock` gives seconds, at any epoch.
    """

    def __init__(
        self, lease_seconds: float, sharers: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lease_seconds = lease_seconds
        self._sharers = sharers
        self._clock = clock
        self._tenants: dict[str, _Usage] = {}

    async def reserve(self, claim: Claim) -> Decision:
        return self._decide(claim, share(claim.limits, self._sharers))

    def record(self, claim: Claim) -> Decision:
        """Count a claim that has been granted elsewhere."""
        return self._decide(claim, TenantLimits())

    def _decide(self, claim: Claim, limits: TenantLimits) -> Decision:
        usage = self._usage(claim.tenant)
        now = usage.now
        waits: dict[str, float | None] = {}
        for rate, window in usage.windows.items():
            window.advance(now)
            limit = rate.limit(limits)
            if limit is not None and (wait := window.wait(now, claim.amount(rate), limit)) != 0:
                waits[rate.name] = wait
        streams = limits.concurrent_streams
        if streams is not None and len(usage.leases) >= streams:
            waits[STREAMS] = STREAM_RETRY if streams else None
        if not waits:
            for rate, window in usage.windows.items():
                window.add(now, claim.amount(rate))
            usage.leases[claim.lease] = now + self._lease_seconds
        standings = tuple(
            Standing(rate, limit, window.used, window.reset(now))
            for rate, window in usage.windows.items()
            if (limit := rate.limit(limits)) is not None
        )
        if not waits:
            return Decision(None, 0.0, now, standings)
        worst = max(waits, key=lambda name: math.inf if (wait := waits[name]) is None else wait)
        return Decision(worst, waits[worst], now, standings)

    async def settle(self, claim: Claim, decision: Decision, tokens: int) -> None:
        self._end(claim, decision, {"requests": 0, "tokens": tokens - claim.tokens})

    async def withdraw(self, claim: Claim, decision: Decision) -> None:
        self._end(claim, decision, {"requests": -1, "tokens": -claim.tokens})

    async def renew(self, claims: list[Claim]) -> None:
        for claim in claims:
            usage = self._usage(claim.tenant)
            if claim.lease in usage.leases:
                usage.leases[claim.lease] = usage.now + self._lease_seconds

    async def close(self) -> None:
        """Nothing is held open."""

    def _end(self, claim: Claim, decision: Decision, differences: dict[str, int]) -> None:
        usage = self._usage(claim.tenant)
        if usage.leases.pop(claim.lease, None) is None:
            return
        for rate, window in usage.windows.items():
            window.change(decision.at, differences[rate.unit])

    def _usage(self, tenant: str) -> _Usage:
        usage = self._tenants.setdefault(tenant, _Usage())
        usage.now = max(usage.now, self._clock())  # a clock that goes back stands still
        usage.leases = {lease: until for lease, until in usage.leases.items() if until > usage.now}
        return usage


def share(limits: TenantLimits, sharers: int) -> TenantLimits:
    """One of `sharers` equal shares, rounded down, but at least 1 of what is not 0."""
    names = [*(rate.name for rate in RATES), STREAMS]
    held = {name: getattr(limits, name) for name in names}
    return limits.model_copy(
        update={
            name: max(limit // sharers, min(limit, 1)) for name, limit in held.items() if limit is not None
        }
    )
