"""Judgements in Redis: keys by tenant that expire, and failures that say so."""

from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from serving.judgements.settings import JudgementsSettings
from serving.judgements.shared import RedisJudgements
from serving.judgements.store import JudgementsUnavailable, Kept


class Redis:
    """What is used of a client."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.expiries: set[int] = set()
        self.down = False

    async def set(self, key: str, value: str, *, ex: int, nx: bool) -> None:
        if self.down:
            raise RedisConnectionError
        assert nx
        self.values.setdefault(key, value)
        self.expiries.add(ex)

    async def get(self, key: str) -> str | None:
        if self.down:
            raise RedisConnectionError
        return self.values.get(key)

    async def aclose(self) -> None:
        self.down = True


def store(redis: Redis) -> RedisJudgements:
    return RedisJudgements(cast(Any, redis), "mizan", JudgementsSettings(keep_hours=2))


async def test_a_judgement_is_its_tenants_and_expires() -> None:
    redis = Redis()
    judgements = store(redis)
    await judgements.keep(Kept("a" * 32, "khouribga", 0, {"n": 1}))
    assert await judgements.find("khouribga", "a" * 32, 0) == {"n": 1}
    assert await judgements.find("jorf", "a" * 32, 0) is None
    assert redis.expiries == {7200}


async def test_no_tenants_name_reaches_into_anothers_keys() -> None:
    redis = Redis()
    judgements = store(redis)
    await judgements.keep(Kept("c", "a:b", 0, {"n": 1}))
    assert await judgements.find("a", "b:c", 0) is None


async def test_a_redis_that_is_gone() -> None:
    judgements = store(Redis())
    await judgements.close()
    with pytest.raises(JudgementsUnavailable):
        await judgements.keep(Kept("a" * 32, "t", 0, {}))
    with pytest.raises(JudgementsUnavailable):
        await judgements.find("t", "a" * 32, 0)
