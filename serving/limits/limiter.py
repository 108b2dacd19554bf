"""Holds every tenant to its limits: reserves before the native model runs, settles when it has."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from auth.tenants import Tenant
from serving.errors import RequestError
from serving.limits.headers import limit_error, limit_headers
from serving.limits.store import Claim, Decision, LimitStore, StoreUnavailable
from serving.telemetry import LIMIT_REFUSALS, LIMIT_TOKENS, tenant_label

_log = structlog.get_logger("mizan.limits")

SETTLING_PATIENCE = 20.0
"""Seconds for which a settlement is tried again; after that the reservation stays charged as it is."""


@dataclass(frozen=True, slots=True)
class _Held:
    claim: Claim
    until: float


class TenantLimiter:
    """Reserves and settles against a store. Requests of one tenant meet the same limits, whoever sends them.

    `longest` is how many seconds a request may hold its stream; past that it counts as over.
    """

    def __init__(self, store: LimitStore, lease_seconds: float, longest: float) -> None:
        self._store = store
        self._renewal = lease_seconds / 3
        self._longest = longest
        self._held: dict[str, _Held] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None

    async def reserve(self, tenant: Tenant, tokens: int) -> "Reservation":
        """Reserve a request, a stream and `tokens`. Raises RequestError 429, or 503 where Redis is away."""
        claim = Claim(tenant.id, uuid.uuid4().hex, tokens, tenant.limits)
        try:
            decision = await self._store.reserve(claim)
        except StoreUnavailable as error:
            _log.warning("limits_not_counted", tenant=tenant.id, problem=str(error))
            raise RequestError(
                503, "Limits cannot be checked now.", code="limits_unavailable", headers={"Retry-After": "5"}
            ) from error
        if decision.refused_by is not None:
            LIMIT_REFUSALS.labels(tenant_label(tenant.id), decision.refused_by).inc()
            raise limit_error(tenant, decision, tokens)
        self._held[claim.lease] = _Held(claim, time.monotonic() + self._longest)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew())
        return Reservation(self, claim, decision)

    def end(self, claim: Claim, decision: Decision, tokens: int | None) -> None:
        """Settle a reservation, or withdraw it where `tokens` is None.

        In the background: a request that is cancelled cannot wait.
        """
        if self._held.pop(claim.lease, None) is None:
            return
        if tokens is None:
            work = partial(self._store.withdraw, claim, decision)
        else:
            LIMIT_TOKENS.labels(tenant_label(claim.tenant)).inc(tokens)
            work = partial(self._store.settle, claim, decision, tokens)
        task = asyncio.get_running_loop().create_task(self._settle(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def drained(self) -> None:
        """Wait until every settlement so far has been made or given up."""
        await asyncio.gather(*self._background)

    async def close(self) -> None:
        """Make what settlements can be made within a second, and release the store."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=1)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._store.close()

    async def _settle(self, work: Callable[[], Awaitable[None]]) -> None:
        pause, deadline = 0.25, time.monotonic() + SETTLING_PATIENCE
        while True:
            try:
                await work()
            except StoreUnavailable as error:
                if time.monotonic() + pause > deadline:
                    _log.warning("reservation_not_settled", problem=str(error))
                    return
                await asyncio.sleep(pause)
                pause *= 2
            else:
                return

    async def _renew(self) -> None:
        while self._held:
            await asyncio.sleep(self._renewal)
            now = time.monotonic()
            # A request that was never ended, whatever the reason, must not hold its stream for ever.
            self._held = {lease: held for lease, held in self._held.items() if held.until > now}
            try:
                await self._store.renew([held.claim for held in self._held.values()])
            except StoreUnavailable as error:
                _log.warning("leases_not_renewed", problem=str(error))


class Reservation:
    """What one request holds until it is settled or withdrawn; only the first of both counts."""

    def __init__(self, limiter: TenantLimiter, claim: Claim, decision: Decision) -> None:
        self._limiter = limiter
        self._claim = claim
        self._decision = decision
        self.headers = limit_headers(decision)

    @property
    def tokens(self) -> int:
        """Tokens reserved."""
        return self._claim.tokens

    def settle(self, tokens: int) -> None:
        """Charge `tokens`, which may be more than was reserved, and give the rest back."""
        self._limiter.end(self._claim, self._decision, max(0, tokens))

    def withdraw(self) -> None:
        """Give everything back: nothing was done."""
        self._limiter.end(self._claim, self._decision, None)
