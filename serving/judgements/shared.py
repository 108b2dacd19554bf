"""Judgements in Redis, for gateway replicas of several machines."""

import json
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from serving.judgements.settings import JudgementsSettings
from serving.judgements.store import JudgementsUnavailable, Kept

if TYPE_CHECKING:
    import redis.asyncio


class RedisJudgements:
    """A `JudgementStore` of keys that expire by themselves."""

    def __init__(self, redis: "redis.asyncio.Redis", prefix: str, settings: JudgementsSettings) -> None:
        self._redis = redis
        self._prefix = prefix
        self._keep = max(1, int(settings.keep_hours * 3600))

    async def keep(self, kept: Kept) -> None:
        try:
            await self._redis.set(
                self._key(kept.tenant, kept.request_id), json.dumps(kept.body), ex=self._keep, nx=True
            )
        except (RedisError, OSError) as error:
            raise JudgementsUnavailable(f"Redis: {error}") from error

    async def find(self, tenant: str, request_id: str, now: float) -> dict[str, Any] | None:  # noqa: ARG002  Redis knows the time
        try:
            body = await self._redis.get(self._key(tenant, request_id))
            return None if body is None else dict(json.loads(body))
        except (RedisError, OSError, ValueError) as error:
            raise JudgementsUnavailable(f"Redis: {error}") from error

    async def close(self) -> None:
        await self._redis.aclose()

    def _key(self, tenant: str, request_id: str) -> str:
        return f"{self._prefix}:judgement:{len(tenant)}:{tenant}:{request_id}"
