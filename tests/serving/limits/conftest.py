"""Stores to be tested, each with a clock that stands still until a test moves it."""

import itertools
from collections.abc import AsyncIterator

import pytest

from serving.limits.memory import MemoryStore
from serving.limits.shared import RedisStore
from serving.limits.store import LimitStore
from tests.serving.redis_server import RedisServer, patient_client

from .claims import LEASE, Clock

_numbers = itertools.count()


def fresh_prefix() -> str:
    """Keys that no other test has touched."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def shared(redis_server: RedisServer, clock: Clock) -> AsyncIterator[RedisStore]:
    connection = patient_client(redis_server.url)
    store = RedisStore(connection, fresh_prefix(), LEASE, clock)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, clock: Clock) -> LimitStore:
    if request.param == "memory":
        return MemoryStore(LEASE, clock=clock)
    store: LimitStore = request.getfixturevalue("shared")
    return store
