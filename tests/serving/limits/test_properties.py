"""Whatever is asked for and whenever: no window ever holds more than the limit, and both stores agree."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from auth.limits import TenantLimits
from serving.limits.memory import MemoryStore
from serving.limits.rates import RATES
from serving.limits.shared import RedisStore
from serving.limits.store import Claim, Decision, LimitStore
from tests.serving.redis_server import RedisServer, patient_client

from .claims import LEASE, Clock
from .conftest import fresh_prefix


@dataclass(frozen=True)
class Step:
    """Wait, then reserve, or end an earlier claim with a share of what it reserved."""

    pause: float
    tokens: int
    ends: int | None
    used: float


PAUSES = st.one_of(
    st.just(0.0),
    st.floats(0.0, 3.0),
    st.floats(0.0, 70.0),
    st.sampled_from([59.999, 60.0, 61.0, 3600.0, 86_000.0]),
)
STEPS = st.lists(
    st.builds(
        Step,
        pause=PAUSES,
        tokens=st.integers(1, 60),
        ends=st.none() | st.integers(0, 40),
        used=st.floats(0.0, 1.0),
    ),
    min_size=1,
    max_size=60,
)
LIMITS = st.builds(
    TenantLimits,
    requests_per_minute=st.none() | st.integers(0, 10),
    tokens_per_minute=st.none() | st.integers(0, 100),
    tokens_per_day=st.none() | st.integers(0, 400),
    concurrent_streams=st.none() | st.integers(0, 4),
)


@dataclass
class Granted:
    """What a granted claim holds: its moment, its tokens, and until when its stream runs."""

    claim: Claim
    decision: Decision
    at: float
    tokens: int
    until: float


async def play(store: LimitStore, clock: Clock, steps: list[Step], limits: TenantLimits) -> list[Any]:
    """Carry out the steps and check every invariant on the way. Returns what was decided."""
    granted: list[Granted] = []
    seen: list[Any] = []
    for number, step in enumerate(steps):
        clock.now += step.pause
        if step.ends is not None and step.ends < len(granted):
            held = granted[step.ends]
            used = int(held.claim.tokens * step.used)
            await store.settle(held.claim, held.decision, used)
            if clock.now < held.until:
                held.tokens, held.until = used, clock.now
            continue
        claim = Claim("tenant", f"lease-{number}", step.tokens, limits)
        decision = await store.reserve(claim)
        wait = None if decision.retry_after is None else round(decision.retry_after, 3)
        seen.append((decision.refused_by, wait, [(s.used, round(s.reset, 3)) for s in decision.standings]))
        if decision.granted:
            granted.append(Granted(claim, decision, clock.now, step.tokens, clock.now + LEASE))
            check(granted, clock.now, limits)
    return seen


def check(granted: list[Granted], now: float, limits: TenantLimits) -> None:
    """No window that ends now holds too much. Every window that is fullest ends with a claim."""
    for rate in RATES:
        limit = rate.limit(limits)
        inside = [one for one in granted if now - one.at < rate.seconds]
        amount = len(inside) if rate.unit == "requests" else sum(one.tokens for one in inside)
        assert limit is None or amount <= limit, rate.name
    streams = sum(one.until > now for one in granted)
    assert limits.concurrent_streams is None or streams <= limits.concurrent_streams


@given(STEPS, LIMITS)
def test_never_more_than_the_limit_in_any_window(steps: list[Step], limits: TenantLimits) -> None:
    clock = Clock()
    asyncio.run(play(MemoryStore(LEASE, clock=clock), clock, steps, limits))


@given(st.lists(st.tuples(st.floats(0, 40), st.integers(1, 50)), min_size=1, max_size=40), LIMITS)
def test_what_is_refused_is_granted_after_the_wait(
    steps: list[tuple[float, int]], limits: TenantLimits
) -> None:
    clock = Clock()
    store = MemoryStore(LEASE, clock=clock)

    async def run() -> None:
        for number, (pause, tokens) in enumerate(steps):
            clock.now += pause
            claim = Claim("tenant", f"lease-{number}", tokens, limits)
            decision = await store.reserve(claim)
            if decision.granted:
                await store.settle(claim, decision, tokens)
            elif decision.retry_after is not None:
                assert decision.refused_by != "concurrent_streams"
                clock.now += decision.retry_after + 1e-6
                again = await store.reserve(claim)
                assert again.granted
                await store.settle(claim, again, tokens)

    asyncio.run(run())


@asynccontextmanager
async def redis_store(url: str, clock: Clock) -> AsyncIterator[RedisStore]:
    store = RedisStore(patient_client(url), fresh_prefix(), LEASE, clock)
    yield store
    await store.close()


def test_redis_decides_as_memory_does(redis_server: RedisServer) -> None:
    @settings(max_examples=40)
    @given(STEPS, LIMITS)
    def agree(steps: list[Step], limits: TenantLimits) -> None:
        async def run() -> None:
            first, second = Clock(), Clock()
            expected = await play(MemoryStore(LEASE, clock=first), first, steps, limits)
            async with redis_store(redis_server.url, second) as shared:
                assert await play(shared, second, steps, limits) == expected

        asyncio.run(run())

    agree()
