"""Where judge and shadows disagreed: a bounded SQLite file in the state folder.

One row for each shadow, request and stage; while an answer grows, its row is the last disagreement on it.
Text is there only where the tenant lets content be kept, and no longer than it says.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from serving.judging.conversation import Check, Stage
from serving.judging.shadow import Comparison
from serving.judging.verdict import Verdict
from serving.sqlite_file import connect, transaction

FILE = "shadow-disagreements.sqlite"
DAY = 86400.0

_SCHEMA = """
create table if not exists disagreement (
  number integer primary key autoincrement, at real not null, request text not null, tenant text not null,
  stage text not null, policy text not null, shadow text not null, result text not null,
  judge text not null, candidate text not null, checks integer not null default 1,
  text text, text_until real, unique (shadow, request, stage)
)"""
_COLUMNS = "number, at, request, tenant, stage, policy, shadow, result, judge, candidate, checks, text"


@dataclass(frozen=True, slots=True)
class Side:
    """What one judge said. `score` and `label_mass` are probabilities."""

    judge: str
    digest: str
    outcome: str
    score: float | None
    label_mass: float | None
    categories: list[str]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One row. `at` is seconds since the epoch, `checks` how often the two disagreed on it."""

    number: int
    at: float
    request: str
    tenant: str
    stage: str
    policy: str
    shadow: str
    result: str
    judge: Side
    candidate: Side
    checks: int
    text: str | None


_ROW = TypeAdapter(Disagreement)


class Disagreements:
    """Reads and writes the file; each call opens it, so that any process and thread may."""

    def __init__(self, folder: Path, most: int = 10_000) -> None:
        self._path = folder / FILE
        self._most = most

    def add(self, comparison: Comparison, request: str, retention_days: int) -> None:
        """Record one; the oldest go beyond the bound. Raises sqlite3.Error, OSError."""
        if comparison.candidate is None:
            return
        now, check, verdict = time.time(), comparison.check, comparison.verdict
        kept = retention_days > 0
        row = {
            "at": now,
            "request": request,
            "tenant": check.cache_salt,
            "stage": check.stage.value,
            "policy": f"{verdict.policy}@{verdict.policy_version}",
            "shadow": comparison.shadow,
            "result": comparison.result.value,
            "judge": _side(verdict),
            "candidate": _side(comparison.candidate),
            "text": _text(check) if kept else None,
            "text_until": now + retention_days * DAY if kept else None,
        }
        with self._open() as database:
            database.execute(
                f"insert into disagreement ({', '.join(row)}) "  # noqa: S608  names of our own columns
                f"values ({', '.join(f':{name}' for name in row)}) "
                "on conflict (shadow, request, stage) do update set checks = checks + 1, "
                + ", ".join(f"{name} = excluded.{name}" for name in row),
                row,
            )
            database.execute(
                "delete from disagreement where number <= (select max(number) from disagreement) - ?",
                (self._most,),
            )

    def list(
        self, *, shadow: str | None = None, stage: str | None = None, limit: int = 50
    ) -> list[Disagreement]:
        """The newest first."""
        if not self._path.exists():
            return []
        with self._open() as database:
            rows = database.execute(
                f"select {_COLUMNS} from disagreement where (:shadow is null or shadow = :shadow) "  # noqa: S608  ours
                "and (:stage is null or stage = :stage) order by at desc limit :limit",
                {"shadow": shadow, "stage": stage, "limit": limit},
            )
            return [_read(row) for row in rows]

    def get(self, number: int) -> Disagreement | None:
        if not self._path.exists():
            return None
        with self._open() as database:
            row = database.execute(
                f"select {_COLUMNS} from disagreement where number = ?",  # noqa: S608  names of our own columns
                (number,),
            ).fetchone()
        return None if row is None else _read(row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection within one transaction; text whose time is over is gone before anything is read."""
        with closing(connect(self._path, _SCHEMA)) as database:
            database.execute("PRAGMA secure_delete = ON")
            with transaction(database):
                database.execute(
                    "update disagreement set text = null, text_until = null where text_until < ?",
                    (time.time(),),
                )
                yield database


def _side(verdict: Verdict) -> str:
    return json.dumps(
        {
            "judge": verdict.judge,
            "digest": verdict.judge_digest,
            "outcome": verdict.outcome.value,
            "score": verdict.score,
            "label_mass": verdict.label_mass,
            "categories": list(verdict.categories),
        }
    )


def _text(check: Check) -> str:
    if check.stage is Stage.PROMPT:
        return check.conversation[-1].text if check.conversation else ""
    return check.text


def _read(row: tuple[object, ...]) -> Disagreement:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    sides = {name: json.loads(str(fields[name])) for name in ("judge", "candidate")}
    return _ROW.validate_python({**fields, **sides})
