"""Usage counted in Redis, for all gateway replicas together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import redis.asyncio
from redis.exceptions import RedisError

from serving.limits.rates import RATES, STREAMS
from serving.limits.store import Claim, Decision, Standing, StoreUnavailable

_RESERVE: Final = Path(__file__).with_name("reserve.lua").read_text(encoding="utf-8")
_SETTLE: Final = Path(__file__).with_name("settle.lua").read_text(encoding="utf-8")


class RedisStore:
    """A `LimitStore` in Redis. Each claim is one script over the tenant's keys, and so atomic.

    Time is Redis's own, so that gateways whose clocks differ count alike; `clock` is for tests.
    """

    def __init__(
        self,
        connection: "redis.asyncio.Redis",
        prefix: str,
        lease_seconds: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._redis = connection
        self._prefix = prefix
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._reserve = connection.register_script(_RESERVE)
        self._settle = connection.register_script(_SETTLE)

    async def reserve(self, claim: Claim) -> Decision:
        limits = [rate.limit(claim.limits) for rate in RATES]
        arguments: list[Any] = [
            self._now(),
            claim.lease,
            self._lease_seconds,
            _number(claim.limits.concurrent_streams),
        ]
        for rate, limit in zip(RATES, limits, strict=True):
            arguments += [claim.amount(rate), _number(limit), rate.bucket, rate.buckets]
        async with _reachable():
            answer = await self._reserve(keys=self._keys(claim.tenant), args=arguments)
        refused, wait, at = int(answer[0]), float(answer[1]), float(answer[2])
        figures = [(int(answer[i]), float(answer[i + 1])) for i in range(3, len(answer), 2)]
        standings = tuple(
            Standing(rate, limit, used, reset)
            for rate, limit, (used, reset) in zip(RATES, limits, figures, strict=True)
            if limit is not None
        )
        names = (None, STREAMS, *(rate.name for rate in RATES))
        return Decision(names[refused], None if wait < 0 else wait, at, standings)

    async def settle(self, claim: Claim, decision: Decision, tokens: int) -> None:
        await self._end(claim, decision, {"requests": 0, "tokens": tokens - claim.tokens})

    async def withdraw(self, claim: Claim, decision: Decision) -> None:
        await self._end(claim, decision, {"requests": -1, "tokens": -claim.tokens})

    async def renew(self, claims: list[Claim]) -> None:
        async with _reachable():
            seconds, microseconds = await self._redis.time()
            now = seconds + microseconds / 1e6 if self._clock is None else self._clock()
            async with self._redis.pipeline(transaction=False) as pipeline:
                for claim in claims:
                    leases = self._keys(claim.tenant)[0]
                    pipeline.zremrangebyscore(leases, "-inf", now)
                    pipeline.zadd(leases, {claim.lease: now + self._lease_seconds}, xx=True)
                    pipeline.expire(leases, int(self._lease_seconds) + 2)
                await pipeline.execute()

    async def close(self) -> None:
        await self._redis.aclose()

    async def _end(self, claim: Claim, decision: Decision, differences: dict[str, int]) -> None:
        arguments: list[Any] = [self._now(), claim.lease, f"{decision.at:.6f}"]
        for rate in RATES:
            arguments += [differences[rate.unit], rate.bucket]
        async with _reachable():
            await self._settle(keys=self._keys(claim.tenant), args=arguments)

    def _now(self) -> str:
        return "" if self._clock is None else f"{self._clock():.6f}"

    def _keys(self, tenant: str) -> list[str]:
        # The braces keep a tenant's keys on one node of a Redis cluster; quoting keeps ids from closing them.
        stem = f"{self._prefix}:limits:{{{quote(tenant, safe='')}}}"
        return [f"{stem}:streams", *(f"{stem}:{rate.name}" for rate in RATES)]


@asynccontextmanager
async def _reachable() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}"[:200]) from error


def _number(limit: int | None) -> int:
    return -1 if limit is None else limit
