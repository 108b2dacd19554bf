"""Usage counted in Redis and, at the same time, in this process, which takes over while Redis is away."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import structlog

from auth.limits import TenantLimits
from serving.limits.memory import MemoryStore
from serving.limits.rates import RATES
from serving.limits.store import Claim, Decision, LimitStore, StoreUnavailable
from serving.telemetry import LIMIT_STORE_FAILURES

_log = structlog.get_logger("mizan.limits")


class FallbackStore:
    """A `LimitStore` that asks `shared`, and `local` while that fails.

    `local` knows what this process granted before, and holds it to a share of each limit. `refuse` turns
    tenants that have limits away instead. Not asked again for `retry_seconds` after a failure, so that
    requests do not wait for a store that is down.
    """

    def __init__(
        self,
        shared: LimitStore,
        local: MemoryStore,
        unreachable: Literal["share", "refuse"],
        retry_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._local = local
        self._unreachable = unreachable
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._resting_until: float | None = None
        self._shared_leases: set[str] = set()

    async def reserve(self, claim: Claim) -> Decision:
        if self._resting_until is None or self._clock() >= self._resting_until:
            try:
                decision = await self._shared.reserve(claim)
            except StoreUnavailable as error:
                self._failed(error)
            else:
                self._answered()
                return self._mirrored(claim, decision)
        if self._unreachable == "refuse" and _any(claim.limits):
            raise StoreUnavailable("Redis cannot be reached")
        return await self._local.reserve(claim)

    async def settle(self, claim: Claim, decision: Decision, tokens: int) -> None:
        await self._local.settle(claim, decision, tokens)
        if decision.shared_at is not None:
            await self._shared.settle(claim, replace(decision, at=decision.shared_at), tokens)
            self._shared_leases.discard(claim.lease)

    async def withdraw(self, claim: Claim, decision: Decision) -> None:
        await self._local.withdraw(claim, decision)
        if decision.shared_at is not None:
            await self._shared.withdraw(claim, replace(decision, at=decision.shared_at))
            self._shared_leases.discard(claim.lease)

    async def renew(self, claims: list[Claim]) -> None:
        await self._local.renew(claims)
        shared = [claim for claim in claims if claim.lease in self._shared_leases]
        self._shared_leases = {claim.lease for claim in shared}
        if shared:
            await self._shared.renew(shared)

    async def close(self) -> None:
        await self._shared.close()

    def _mirrored(self, claim: Claim, decision: Decision) -> Decision:
        if not decision.granted:
            return decision
        self._shared_leases.add(claim.lease)
        return replace(decision, at=self._local.record(claim).at, shared_at=decision.at)

    def _failed(self, error: StoreUnavailable) -> None:
        LIMIT_STORE_FAILURES.inc()
        if self._resting_until is None:
            _log.error("limit_store_unreachable", problem=str(error), instead=self._unreachable)
        self._resting_until = self._clock() + self._retry_seconds

    def _answered(self) -> None:
        if self._resting_until is not None:
            _log.info("limit_store_reachable")
        self._resting_until = None


def _any(limits: TenantLimits) -> bool:
    held = [limits.concurrent_streams, *(rate.limit(limits) for rate in RATES)]
    return any(limit is not None for limit in held)
