"""Quarantines in a SQLite file, for the gateway replicas of one machine."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from serving.quarantine.records import Quarantined
from serving.quarantine.store import KEPT_HISTORY, QuarantineUnavailable
from serving.sqlite_file import SqliteFile

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
        self._file = SqliteFile(path, _SCHEMA)

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
        await self._file.close()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._file.do(work)
        except (sqlite3.Error, OSError, ValueError, RuntimeError) as error:
            raise QuarantineUnavailable(f"{self._file.path}: {error}") from error


def _entries(database: sqlite3.Connection, query: str) -> list[Quarantined]:
    return [Quarantined.model_validate_json(record) for (record,) in database.execute(query)]
