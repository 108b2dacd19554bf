"""Quarantines in a SQLite file, for the gateway replicas of one machine."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from serving.quarantine.records import Quarantined
from serving.quarantine.store import KEPT_HISTORY, QuarantineUnavailable

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS violations (
    application TEXT, request TEXT, at REAL, PRIMARY KEY (application, request)
);
CREATE TABLE IF NOT EXISTS active (application TEXT PRIMARY KEY, since REAL, record TEXT);
CREATE TABLE IF NOT EXISTS lifted (number INTEGER PRIMARY KEY, record TEXT);
"""


class SqliteStore:
    """A `QuarantineStore` in one file, of mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def count(self, application: str, request_id: str, now: float, window: float) -> int:
        def work(database: sqlite3.Connection) -> int:
            database.execute("DELETE FROM violations WHERE at <= ?", (now - window,))
            database.execute(
                "INSERT OR IGNORE INTO violations VALUES (?, ?, ?)", (application, request_id, now)
            )
            query = "SELECT count(*) FROM violations WHERE application = ?"
            return int(database.execute(query, (application,)).fetchone()[0])

        return await self._do(work)

    async def impose(self, entry: Quarantined) -> bool:
        def work(database: sqlite3.Connection) -> bool:
            row = (entry.application, entry.since, entry.model_dump_json())
            return database.execute("INSERT OR IGNORE INTO active VALUES (?, ?, ?)", row).rowcount == 1

        return await self._do(work)

    async def lift(self, application: str, now: float, by: str, reason: str | None) -> Quarantined | None:
        def work(database: sqlite3.Connection) -> Quarantined | None:
            query = "DELETE FROM active WHERE application = ? RETURNING record"
            row = database.execute(query, (application,)).fetchone()
            if row is None:
                return None
            entry = Quarantined.model_validate_json(row[0])
            entry = entry.model_copy(update={"lifted_at": now, "lifted_by": by, "lift_reason": reason})
            database.execute("DELETE FROM violations WHERE application = ?", (application,))
            database.execute("INSERT INTO lifted (record) VALUES (?)", (entry.model_dump_json(),))
            oldest = "DELETE FROM lifted WHERE number <= (SELECT max(number) FROM lifted) - ?"
            database.execute(oldest, (KEPT_HISTORY,))
            return entry

        return await self._do(work)

    async def active(self) -> Sequence[Quarantined]:
        return await self._do(lambda database: _entries(database, "SELECT record FROM active ORDER BY since"))

    async def lifted(self) -> Sequence[Quarantined]:
        query = "SELECT record FROM lifted ORDER BY number DESC"
        return await self._do(lambda database: _entries(database, query))

    async def close(self) -> None:
        """Nothing is held open."""

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.to_thread(self._within, work)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise QuarantineUnavailable(f"{self._path}: {error}") from error

    def _within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._transaction() as database:
            return work(database)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)
        with closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(_SCHEMA)
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def _entries(database: sqlite3.Connection, query: str) -> list[Quarantined]:
    return [Quarantined.model_validate_json(record) for (record,) in database.execute(query)]
