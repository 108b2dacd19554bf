"""Judgements in a SQLite file, for the gateway replicas of one machine."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from serving.judgements.settings import JudgementsSettings
from serving.judgements.store import JudgementsUnavailable, Kept

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS judgements (
    number INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT UNIQUE, tenant TEXT, created REAL, body TEXT
);
CREATE INDEX IF NOT EXISTS by_age ON judgements (created);
"""


class SqliteJudgements:
    """A `JudgementStore` in one file, of mode 0600. One thread does all of its work."""

    def __init__(self, path: Path, settings: JudgementsSettings) -> None:
        self._path = path
        self._keep = settings.keep_hours * 3600
        self._most = settings.most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judgements")
        self._database: sqlite3.Connection | None = None

    async def keep(self, kept: Kept) -> None:
        def work(database: sqlite3.Connection) -> None:
            row = (kept.request_id, kept.tenant, kept.created, json.dumps(kept.body))
            columns = "(request, tenant, created, body)"
            database.execute(f"INSERT OR IGNORE INTO judgements {columns} VALUES (?, ?, ?, ?)", row)  # noqa: S608  a constant
            database.execute("DELETE FROM judgements WHERE created < ?", (kept.created - self._keep,))
            oldest = "DELETE FROM judgements WHERE number <= (SELECT max(number) FROM judgements) - ?"
            database.execute(oldest, (self._most,))

        await self._do(work)

    async def find(self, tenant: str, request_id: str, now: float) -> dict[str, Any] | None:
        def work(database: sqlite3.Connection) -> dict[str, Any] | None:
            query = "SELECT body FROM judgements WHERE request = ? AND tenant = ? AND created >= ?"
            row = database.execute(query, (request_id, tenant, now - self._keep)).fetchone()
            return None if row is None else dict(json.loads(row[0]))

        return await self._do(work)

    async def close(self) -> None:
        with suppress(RuntimeError):  # closed before
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._within, work)
        except (sqlite3.Error, OSError, ValueError, RuntimeError) as error:
            raise JudgementsUnavailable(f"{self._path}: {error}") from error

    def _within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        database = self._database = self._database or self._connect()
        try:
            with database:
                return work(database)
        except sqlite3.Error:
            self._disconnect()  # the file may have been replaced
            raise

    def _connect(self) -> sqlite3.Connection:
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(mode=0o600)
        database = sqlite3.connect(self._path, timeout=5)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None
