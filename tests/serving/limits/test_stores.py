"""Both stores, one behaviour: what is granted, what is refused, for how long, and what is given back."""

import asyncio
import time
from typing import Any

import pytest

from serving.limits.shared import RedisStore
from serving.limits.store import Decision, LimitStore

from .claims import LEASE, Clock, claim


async def test_up_to_the_limit_and_no_further(store: LimitStore) -> None:
    for number in range(3):
        decision = await store.reserve(claim(requests_per_minute=3))
        assert decision.granted
        [standing] = decision.standings
        assert (standing.limit, standing.used, standing.remaining) == (3, number + 1, 2 - number)
    refused = await store.reserve(claim(requests_per_minute=3))
    assert refused.refused_by == "requests_per_minute"
    assert refused.retry_after == pytest.approx(60.5)
    assert refused.standings[0].remaining == 0


async def test_again_when_the_wait_is_over_and_not_before(store: LimitStore, clock: Clock) -> None:
    await store.reserve(claim(requests_per_minute=1))
    wait = (await store.reserve(claim(requests_per_minute=1))).retry_after
    assert wait is not None
    clock.now += wait - 0.001
    assert not (await store.reserve(claim(requests_per_minute=1))).granted
    clock.now += 0.002
    assert (await store.reserve(claim(requests_per_minute=1))).granted


async def test_a_refused_claim_counts_nothing(store: LimitStore) -> None:
    limits: dict[str, Any] = {"requests_per_minute": 5, "tokens_per_minute": 100}
    assert (await store.reserve(claim(90, **limits))).granted
    for _ in range(10):
        assert (await store.reserve(claim(20, **limits))).refused_by == "tokens_per_minute"
    decision = await store.reserve(claim(10, **limits))
    assert decision.granted
    assert [standing.used for standing in decision.standings] == [2, 100]


async def test_settled_with_what_was_used(store: LimitStore) -> None:
    first = claim(100, tokens_per_minute=100)
    decision = await store.reserve(first)
    await store.settle(first, decision, 30)
    second = await store.reserve(claim(70, tokens_per_minute=100))
    assert second.granted
    assert second.standings[0].used == 100


async def test_more_than_reserved_is_charged(store: LimitStore) -> None:
    first = claim(10, tokens_per_minute=100)
    await store.settle(first, await store.reserve(first), 500)
    assert (await store.reserve(claim(1, tokens_per_minute=100))).refused_by == "tokens_per_minute"


async def test_settled_only_once(store: LimitStore) -> None:
    """A settlement that is sent twice must not give back twice."""
    limits: dict[str, Any] = {"tokens_per_minute": 100, "requests_per_minute": 10}
    first, second = claim(50, **limits), claim(50, **limits)
    decision = await store.reserve(first)
    await store.reserve(second)
    for _ in range(3):
        await store.settle(first, decision, 40)
        await store.withdraw(first, decision)
    [requests, tokens] = (await store.reserve(claim(10, **limits))).standings
    assert (requests.used, tokens.used) == (3, 100)


async def test_withdrawn_as_if_it_had_never_been(store: LimitStore) -> None:
    limits: dict[str, Any] = {"tokens_per_minute": 100, "requests_per_minute": 1, "concurrent_streams": 1}
    first = claim(100, **limits)
    await store.withdraw(first, await store.reserve(first))
    decision = await store.reserve(claim(100, **limits))
    assert decision.granted
    assert [standing.used for standing in decision.standings] == [1, 100]


async def test_streams(store: LimitStore, clock: Clock) -> None:
    first = claim(concurrent_streams=2)
    decision = await store.reserve(first)
    assert (await store.reserve(claim(concurrent_streams=2))).granted
    refused = await store.reserve(claim(concurrent_streams=2))
    assert (refused.refused_by, refused.retry_after) == ("concurrent_streams", 1.0)
    await store.settle(first, decision, 1)
    assert (await store.reserve(claim(concurrent_streams=2))).granted


async def test_streams_of_a_killed_gateway_end_and_renewed_ones_do_not(
    store: LimitStore, clock: Clock
) -> None:
    killed, alive = claim(concurrent_streams=2), claim(concurrent_streams=2)
    await store.reserve(killed)
    await store.reserve(alive)
    clock.now += LEASE * 0.6
    await store.renew([alive])
    assert not (await store.reserve(claim(concurrent_streams=2))).granted
    clock.now += LEASE * 0.6
    await store.renew([alive, killed])  # too late: what has run out is not taken up again
    assert (await store.reserve(claim(concurrent_streams=2))).granted
    assert not (await store.reserve(claim(concurrent_streams=2))).granted


async def test_what_can_never_be_granted(store: LimitStore) -> None:
    for refused in (
        await store.reserve(claim(101, tokens_per_minute=100)),
        await store.reserve(claim(1, requests_per_minute=0)),
        await store.reserve(claim(1, concurrent_streams=0)),
        await store.reserve(claim(101, tokens_per_minute=100, requests_per_minute=0)),
    ):
        assert not refused.granted
        assert refused.retry_after is None


async def test_the_longest_wait_is_named(store: LimitStore) -> None:
    limits: dict[str, Any] = {"requests_per_minute": 1, "tokens_per_day": 10}
    await store.reserve(claim(10, **limits))
    refused = await store.reserve(claim(10, **limits))
    assert refused.refused_by == "tokens_per_day"
    assert refused.retry_after is not None
    assert 86_400 < refused.retry_after <= 86_460


async def test_tenants_never_meet(store: LimitStore) -> None:
    await store.reserve(claim(tenant="a", requests_per_minute=1, concurrent_streams=1))
    for tenant in ("b", "a}", "{a}", "a:streams", "A", "a ", "الجرف"):
        mine = claim(tenant=tenant, requests_per_minute=1, concurrent_streams=1)
        assert (await store.reserve(mine)).granted, tenant


async def test_edited_limits_count_at_once(store: LimitStore) -> None:
    for _ in range(5):
        assert (await store.reserve(claim(10))).granted
    assert (await store.reserve(claim(10, tokens_per_minute=59))).refused_by == "tokens_per_minute"
    assert (await store.reserve(claim(10, requests_per_minute=5))).refused_by == "requests_per_minute"
    assert (await store.reserve(claim(10, concurrent_streams=5))).refused_by == "concurrent_streams"
    assert (await store.reserve(claim(10, tokens_per_minute=60))).granted


async def test_a_clock_that_goes_back_frees_nothing(store: LimitStore, clock: Clock) -> None:
    first = claim(5, tokens_per_minute=10)
    decision = await store.reserve(first)
    clock.now -= 3600
    second = claim(5, tokens_per_minute=10)
    late = await store.reserve(second)
    assert late.granted
    assert not (await store.reserve(claim(1, tokens_per_minute=10))).granted
    await store.settle(first, decision, 0)
    await store.settle(second, late, 0)
    assert (await store.reserve(claim(10, tokens_per_minute=10))).granted


async def test_a_settlement_after_the_window_changes_nothing(store: LimitStore, clock: Clock) -> None:
    first = claim(10, tokens_per_minute=10)
    decision = await store.reserve(first)
    for _ in range(10):
        clock.now += LEASE / 2
        await store.renew([first])
    await store.settle(first, decision, 0)
    assert (await store.reserve(claim(10, tokens_per_minute=10))).granted
    assert (await store.reserve(claim(1, tokens_per_minute=10))).refused_by == "tokens_per_minute"


async def test_all_at_once(store: LimitStore) -> None:
    """Fifty requests at the same moment, through one store: not one too many."""
    decisions = await asyncio.gather(
        *(store.reserve(claim(10, tokens_per_minute=100, requests_per_minute=30)) for _ in range(50))
    )
    assert sum(decision.granted for decision in decisions) == 10


async def test_by_redis_own_clock(shared: RedisStore) -> None:
    shared._clock = None
    began = time.monotonic()
    first: Decision = await shared.reserve(claim(requests_per_minute=1))
    assert first.granted
    refused = await shared.reserve(claim(requests_per_minute=1))
    elapsed = time.monotonic() - began
    assert refused.retry_after is not None
    assert 59 - elapsed < refused.retry_after <= 61
    mine = claim(concurrent_streams=1)
    await shared.renew([mine])
    await shared.settle(mine, first, 0)
