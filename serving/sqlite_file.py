"""One SQLite file with a write-ahead log, shared by the processes of one machine."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

T = TypeVar("T")

PATIENCE = 15.0
"""Seconds that anything waits for another process to let go of the file."""


def connect(path: Path, schema: str, synchronous: Literal["NORMAL", "FULL"] = "FULL") -> sqlite3.Connection:
    """Open the file, made with mode 0600 where it is missing, and bring it to `schema` (idempotent SQL).

    SQLite's own waiting does not cover the change to a write-ahead log, nor the moment in which the last
    connection of another process clears that log away (https://sqlite.org/wal.html, section 2.1): both answer
    "locked" at once, so the opening as a whole is tried again. Raises sqlite3.Error, OSError.
    """
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return _opened(path, schema, synchronous)
        except sqlite3.OperationalError as error:
            busy = (error.sqlite_errorcode or 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() >= give_up:
                raise
        time.sleep(0.02)


def _opened(path: Path, schema: str, synchronous: str) -> sqlite3.Connection:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    # Threads: the connection is used by one at a time, not always by the one that made it.
    database = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {synchronous}")
        database.executescript(schema)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything within, or nothing. It holds the write lock from the start, so that none fails half-way."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite rolls some back by itself; the first error is the one to tell
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


class SqliteFile:
    """The file for asynchronous code: one connection, kept open, and one thread that does all of its work."""

    def __init__(self, path: Path, schema: str, synchronous: Literal["NORMAL", "FULL"] = "FULL") -> None:
        self.path = path
        self._schema = schema
        self._synchronous = synchronous
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)
        self._database: sqlite3.Connection | None = None
        self._inode: int | None = None

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction.

        Raises sqlite3.Error, OSError, RuntimeError where it is closed, and what `work` raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._within, work)

    async def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        with suppress(RuntimeError):  # closed before
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    def _within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._database is not None and self._inode != self._inode_now():
            self._disconnect()  # the file was deleted or replaced: what is written to it now would be lost
        if self._database is None:
            self._database = connect(self.path, self._schema, self._synchronous)
            self._inode = self._inode_now()
        try:
            with transaction(self._database):
                return work(self._database)
        except sqlite3.Error:
            self._disconnect()
            raise

    def _inode_now(self) -> int | None:
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return None

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None
