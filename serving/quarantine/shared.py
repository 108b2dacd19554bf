"""Quarantines in Redis, for all gateway replicas together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import ceil
from typing import Any
from urllib.parse import quote

import redis.asyncio
from redis.exceptions import RedisError

from serving.quarantine.records import Quarantined
from serving.quarantine.store import KEPT_HISTORY, QuarantineUnavailable


class RedisStore:
    """A `QuarantineStore` in Redis. It survives what that Redis survives."""

    def __init__(self, connection: "redis.asyncio.Redis", prefix: str) -> None:
        self._redis: Any = connection  # its stubs give every command two types at once
        # The braces keep all keys on one node of a Redis cluster, as transactions need.
        self._stem = f"{prefix}:{{quarantine}}"
        self._active = f"{self._stem}:active"
        self._lifted = f"{self._stem}:lifted"

    async def count(self, application: str, request_id: str, now: float, window: float) -> int:
        key = self._violations(application)
        async with _reachable(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zadd(key, {request_id: now}, nx=True)
            pipeline.zremrangebyscore(key, "-inf", now - window)
            pipeline.zcard(key)
            pipeline.expire(key, ceil(window) + 1)
            return int((await pipeline.execute())[2])

    async def impose(self, entry: Quarantined) -> bool:
        async with _reachable():
            return bool(await self._redis.hsetnx(self._active, entry.application, entry.model_dump_json()))

    async def lift(self, application: str, now: float, by: str, reason: str | None) -> Quarantined | None:
        async with _reachable():
            record = await self._redis.hget(self._active, application)
            if record is None:
                return None
            entry = Quarantined.model_validate_json(record)
            entry = entry.model_copy(update={"lifted_at": now, "lifted_by": by, "lift_reason": reason})
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hdel(self._active, application)
                pipeline.delete(self._violations(application))
                pipeline.lpush(self._lifted, entry.model_dump_json())
                pipeline.ltrim(self._lifted, 0, KEPT_HISTORY - 1)
                await pipeline.execute()
            return entry

    async def active(self) -> Sequence[Quarantined]:
        async with _reachable():
            records = await self._redis.hvals(self._active)
            return sorted(map(Quarantined.model_validate_json, records), key=lambda entry: entry.since)

    async def lifted(self) -> Sequence[Quarantined]:
        async with _reachable():
            records = await self._redis.lrange(self._lifted, 0, KEPT_HISTORY - 1)
            return [Quarantined.model_validate_json(record) for record in records]

    async def close(self) -> None:
        async with _reachable():
            await self._redis.aclose()

    def _violations(self, application: str) -> str:
        return f"{self._stem}:violations:{quote(application, safe='')}"


@asynccontextmanager
async def _reachable() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        raise QuarantineUnavailable(f"{type(error).__name__}: {error}"[:200]) from error
