"""Judgements in a SQLite file, for the gateway replicas of one machine."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from serving.judgements.settings import JudgementsSettings
from serving.judgements.store import JudgementsUnavailable, Kept
from serving.sqlite_file import SqliteFile

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS judgements (
    number INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT UNIQUE, tenant TEXT, created REAL, body TEXT
);
CREATE INDEX IF NOT EXISTS by_age ON judgements (created);
CREATE INDEX IF NOT EXISTS by_tenant ON judgements (tenant, number);
"""


class SqliteJudgements:
    """A `JudgementStore` in one file, of mode 0600."""

    def __init__(self, path: Path, settings: JudgementsSettings) -> None:
        self._file = SqliteFile(path, _SCHEMA, "NORMAL")
        self._keep = settings.keep_hours * 3600
        self._most = settings.most

    async def keep(self, kept: Kept) -> None:
        def work(database: sqlite3.Connection) -> None:
            row = (kept.request_id, kept.tenant, kept.created, json.dumps(kept.body))
            columns = "(request, tenant, created, body)"
            database.execute(f"INSERT OR IGNORE INTO judgements {columns} VALUES (?, ?, ?, ?)", row)  # noqa: S608  a constant
            database.execute("DELETE FROM judgements WHERE created < ?", (kept.created - self._keep,))
            beyond = "SELECT number FROM judgements WHERE tenant = ? ORDER BY number DESC LIMIT 1 OFFSET ?"
            oldest = f"DELETE FROM judgements WHERE tenant = ? AND number <= ({beyond})"  # noqa: S608  a constant
            database.execute(oldest, (kept.tenant, kept.tenant, self._most))

        await self._do(work)

    async def find(self, tenant: str, request_id: str, now: float) -> dict[str, Any] | None:
        def work(database: sqlite3.Connection) -> dict[str, Any] | None:
            query = "SELECT body FROM judgements WHERE request = ? AND tenant = ? AND created >= ?"
            row = database.execute(query, (request_id, tenant, now - self._keep)).fetchone()
            return None if row is None else dict(json.loads(row[0]))

        return await self._do(work)

    async def close(self) -> None:
        await self._file.close()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._file.do(work)
        except (sqlite3.Error, OSError, ValueError, RuntimeError) as error:
            raise JudgementsUnavailable(f"{self._file.path}: {error}") from error
