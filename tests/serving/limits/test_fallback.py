"""Redis goes away and comes back: nobody gets more than a share meanwhile."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio
from prometheus_client import REGISTRY
from pydantic import SecretStr, ValidationError

from auth.limits import TenantLimits
from serving.limits.assembly import build_limiter
from serving.limits.fallback import FallbackStore
from serving.limits.memory import MemoryStore, share
from serving.limits.settings import LimitSettings
from serving.limits.shared import RedisStore
from serving.limits.store import Claim, Decision, StoreUnavailable
from serving.redis_connection import RedisSettings, connect
from tests.serving.redis_server import RedisServer

from .claims import LEASE, Clock, claim
from .conftest import fresh_prefix


class Flaky(MemoryStore):
    """A shared store that can be switched off."""

    up = True
    asked = 0

    async def reserve(self, claim: Claim) -> Decision:
        self.asked += 1
        if not self.up:
            raise StoreUnavailable("switched off")
        return await super().reserve(claim)


def failures() -> float:
    return REGISTRY.get_sample_value("mizan_limit_store_failures_total") or 0.0


async def test_a_share_while_redis_is_away(clock: Clock) -> None:
    shared = Flaky(LEASE, clock=clock)
    store = FallbackStore(shared, MemoryStore(LEASE, 2, clock), "share", 1, clock)
    limits: dict[str, Any] = {"requests_per_minute": 10}
    for _ in range(3):
        assert (await store.reserve(claim(**limits))).granted
    shared.up, before = False, failures()
    granted = [(await store.reserve(claim(**limits))).granted for _ in range(10)]
    assert granted == [True] * 2 + [False] * 8, "three of its share of five had been used"
    assert shared.asked == 4, "a store that is down is not asked by every request"
    assert failures() == before + 1
    shared.up = True
    clock.now += 1
    decision = await store.reserve(claim(**limits))
    assert decision.granted
    assert decision.standings[0].limit == 10


async def test_refusing_instead(clock: Clock) -> None:
    shared = Flaky(LEASE, clock=clock)
    store = FallbackStore(shared, MemoryStore(LEASE, 1, clock), "refuse", 1, clock)
    shared.up = False
    either: list[dict[str, Any]] = [{"tokens_per_day": 10}, {"concurrent_streams": 1}]
    for limits in either:
        with pytest.raises(StoreUnavailable):
            await store.reserve(claim(**limits))
    assert (await store.reserve(claim())).granted, "who has no limits needs no counting"


async def test_settled_in_both(clock: Clock) -> None:
    shared, local = Flaky(LEASE, clock=clock), MemoryStore(LEASE, 1, clock)
    store = FallbackStore(shared, local, "share", 1, clock)
    first = claim(100, tokens_per_minute=100)
    await store.settle(first, await store.reserve(first), 10)
    second = claim(80, tokens_per_minute=100)
    decision = await store.reserve(second)
    await store.renew([second])
    await store.withdraw(second, decision)
    await store.reserve(claim(80, tokens_per_minute=100))
    for one in (shared, local):
        assert (await one.reserve(claim(1, tokens_per_minute=1000))).standings[0].used == 91


@pytest.mark.parametrize(
    ("limit", "sharers", "expected"), [(10, 3, 3), (10, 1, 10), (1, 4, 1), (0, 4, 0), (None, 4, None)]
)
def test_shares(limit: int | None, sharers: int, expected: int | None) -> None:
    divided = share(TenantLimits(tokens_per_day=limit, concurrent_streams=limit, priority=7), sharers)
    assert (divided.tokens_per_day, divided.concurrent_streams, divided.priority) == (expected, expected, 7)


@pytest.fixture
async def two(redis_server: RedisServer) -> AsyncIterator[tuple[FallbackStore, FallbackStore]]:
    """The stores of two gateway replicas, over one real Redis, with the clients that the settings make."""
    settings = RedisSettings(url=SecretStr(redis_server.url), prefix=fresh_prefix(), timeout=20)

    def store() -> FallbackStore:
        connection = connect(settings)
        assert connection is not None
        shared = RedisStore(connection, settings.prefix, LEASE)
        return FallbackStore(shared, MemoryStore(LEASE, 2), "share", 0.001)

    stores = store(), store()
    yield stores
    for one in stores:
        await one.close()


async def test_two_gateways_and_a_redis_that_restarts(
    two: tuple[FallbackStore, FallbackStore], redis_server: RedisServer
) -> None:
    limits: dict[str, Any] = {"requests_per_minute": 4, "concurrent_streams": 100}
    granted = [(await two[number % 2].reserve(claim(**limits))).granted for number in range(6)]
    assert granted == [True] * 4 + [False] * 2
    redis_server.stop()
    try:
        during = [(await two[number % 2].reserve(claim(**limits))).granted for number in range(4)]
        assert during == [False] * 4, "each has used up its share of two"
        with pytest.raises(StoreUnavailable):
            lost = claim()
            await two[0].settle(lost, Decision(None, 0, 0, shared_at=0), 1)
    finally:
        redis_server.start()
    after = [await two[number % 2].reserve(claim(**limits)) for number in range(5)]
    assert [decision.granted for decision in after] == [True] * 4 + [False], (
        "Redis has forgotten, and counts anew"
    )
    assert all(decision.shared_at is not None for decision in after[:4])


async def test_what_the_settings_build(redis_server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    alone = build_limiter(LimitSettings(), RedisSettings(), 2, 600)
    assert "limits_divided" in "".join(capsys.readouterr())
    shared = build_limiter(LimitSettings(), RedisSettings(url=SecretStr(redis_server.url)), 2, 600)
    assert isinstance(alone._store, MemoryStore)
    assert isinstance(shared._store, FallbackStore)
    await alone.close()
    await shared.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "127.0.0.1:6379", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValidationError, match="redis://"):
        RedisSettings(url=SecretStr(url))


def test_tls_is_verified() -> None:
    connection = connect(RedisSettings(url=SecretStr("rediss://cache.example.ma")))
    assert isinstance(connection, redis.asyncio.Redis)
    options = connection.connection_pool.connection_kwargs
    assert options["ssl_cert_reqs"] == "required"
    assert options["retry"]._retries == 0
