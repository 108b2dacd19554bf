"""One file for several processes: nobody is told "locked" while another opens, closes or writes."""

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from serving import sqlite_file
from serving.sqlite_file import SqliteFile, connect, transaction

SCHEMA = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER)"


def insert(number: int) -> Callable[[sqlite3.Connection], None]:
    def work(database: sqlite3.Connection) -> None:
        database.execute("INSERT INTO numbers VALUES (?)", (number,))

    return work


def count(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM numbers").fetchone()[0])


def test_many_open_write_and_close_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "PATIENCE", 120)
    path = tmp_path / "state" / "numbers.sqlite"

    def once(number: int) -> None:
        with closing(connect(path, SCHEMA, "NORMAL")) as database, transaction(database):
            insert(number)(database)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(once, range(200)))
    with closing(connect(path, SCHEMA)) as database:
        assert count(database) == 200


async def test_a_file_that_is_deleted_meanwhile_is_made_again(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "numbers.sqlite", SCHEMA)
    await file.do(insert(1))
    for ending in ("", "-wal", "-shm"):
        (tmp_path / f"numbers.sqlite{ending}").unlink()
    await file.do(insert(2))
    assert await file.do(count) == 1
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    await file.close()


async def test_all_or_nothing(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "numbers.sqlite", SCHEMA)

    def half(database: sqlite3.Connection) -> None:
        insert(1)(database)
        raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        await file.do(half)
    assert await file.do(count) == 0
    await file.close()
    await file.close()
    with pytest.raises(RuntimeError):
        await file.do(count)


async def test_who_holds_the_file_too_long_is_named_by_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.2)
    path = tmp_path / "numbers.sqlite"
    with closing(connect(path, SCHEMA)) as other, transaction(other):
        file = SqliteFile(path, SCHEMA)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await asyncio.wait_for(file.do(insert(1)), timeout=60)
    await file.do(insert(2))
    assert await file.do(count) == 1
    await file.close()
