"""Both stores, one behaviour; nothing is lost by a restart or between replicas."""

import asyncio
import itertools
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import redis.asyncio

from serving.quarantine.local import SqliteStore
from serving.quarantine.records import Quarantined
from serving.quarantine.shared import RedisStore
from serving.quarantine.store import QuarantineStore, QuarantineUnavailable
from tests.serving.redis_server import RedisServer, patient_client

APPLICATIONS = ["agent", "agent}", "{quarantine}:active", "a/b?c#d", "الوكيل", "a'; DROP TABLE active; --"]
_numbers = itertools.count()

Open = Callable[[], QuarantineStore]


def entry(application: str = "agent", since: float = 100.0) -> Quarantined:
    return Quarantined(application=application, tenant="khouribga", since=since, reason="3 violations")


@pytest.fixture(params=["sqlite", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same quarantine again and again, as replicas and restarts do."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "state" / "quarantine.sqlite")
    server: RedisServer = request.getfixturevalue("redis_server")
    prefix = f"quarantine-test-{next(_numbers)}"

    def connect() -> QuarantineStore:
        return RedisStore(patient_client(server.url), prefix)

    return connect


async def test_counts_each_request_once_within_the_window(opened: Open) -> None:
    store = opened()
    counts = [await store.count("agent", f"r{second // 2}", second, 10) for second in range(8)]
    assert counts == [1, 1, 2, 2, 3, 3, 4, 4]
    assert await store.count("other", "r0", 8, 10) == 1
    assert await store.count("agent", "late", 14, 10) == 2, "what was at 0, 2 and 4 is past"
    await store.close()


async def test_kept_over_a_restart_and_seen_by_other_replicas(opened: Open) -> None:
    first = opened()
    await first.count("agent", "r1", 99, 1000)
    assert await first.impose(entry())
    assert not await first.impose(entry(since=200))
    await first.close()
    second = opened()
    assert await second.active() == [entry()]
    assert await second.count("agent", "r2", 101, 1000) == 2
    await second.close()


async def test_lifted_with_a_record_and_without_violations(opened: Open) -> None:
    store = opened()
    await store.count("agent", "r1", 99, 1000)
    await store.impose(entry())
    lifted = await store.lift("agent", 150, "amina", "corrected")
    assert lifted is not None
    assert (lifted.lifted_at, lifted.lifted_by, lifted.lift_reason) == (150, "amina", "corrected")
    assert await store.active() == []
    assert await store.lifted() == [lifted]
    assert await store.lift("agent", 151, "amina", None) is None
    assert await store.count("agent", "r2", 152, 1000) == 1
    await store.close()


async def test_any_name_is_just_a_name(opened: Open) -> None:
    store = opened()
    for number, application in enumerate(APPLICATIONS):
        await store.count(application, "r", number, 1000)
        assert await store.impose(entry(application, number))
    assert [one.application for one in await store.active()] == APPLICATIONS
    for application in APPLICATIONS:
        lifted = await store.lift(application, 1000, "amina", None)
        assert lifted is not None
        assert lifted.application == application
    assert [one.application for one in await store.lifted()] == APPLICATIONS[::-1]
    await store.close()


async def test_many_at_once_from_two_replicas(opened: Open) -> None:
    stores = [opened(), opened()]
    counts = await asyncio.gather(
        *(stores[number % 2].count("agent", f"r{number}", number / 100, 1000) for number in range(20))
    )
    assert sorted(counts) == list(range(1, 21))
    imposed = await asyncio.gather(*(store.impose(entry()) for store in stores * 5))
    assert sum(imposed) == 1
    for store in stores:
        await store.close()


async def test_the_file_is_its_owner_s(tmp_path: Path) -> None:
    path = tmp_path / "state" / "quarantine.sqlite"
    await SqliteStore(path).active()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(QuarantineUnavailable):
        await SqliteStore(path).active()


async def test_a_redis_that_is_not_there() -> None:
    store = RedisStore(redis.asyncio.Redis.from_url("redis://127.0.0.1:1", decode_responses=True), "test")
    with pytest.raises(QuarantineUnavailable):
        await store.active()
    await store.close()
