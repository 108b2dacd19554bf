"""Putting rows to a judge, several at a time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.training.rows import Row
from serving.judging.evaluation.checks import check_of
from serving.judging.policy import Policy
from serving.judging.protocols import Judge, JudgeError
from serving.judging.verdict import Outcome


@dataclass(frozen=True, slots=True)
class Judged:
    """One row and what the judge made of it. An undecided row has no score and counts as flagged, because it
    would be blocked."""

    row: Row
    flagged: bool
    score: float | None
    label_mass: float | None
    latency: float
    prompt_tokens: int
    undecided: bool = False

    @property
    def unsafe(self) -> bool:
        return self.row.label == "unsafe"


async def judge_rows(
    judge: Judge,
    policy: Policy,
    rows: Sequence[Row],
    *,
    concurrency: int = 16,
    done: Callable[[], None] = lambda: None,
) -> list[Judged]:
    """Judge every row that has one label (pairs are left out), in the order of the rows."""
    gate = asyncio.Semaphore(concurrency)

    async def one(row: Row) -> Judged:
        async with gate:
            result = await _judge_row(judge, policy, row)
            done()
            return result

    return list(await asyncio.gather(*(one(row) for row in rows if row.kind != "pair")))


async def _judge_row(judge: Judge, policy: Policy, row: Row) -> Judged:
    try:
        verdict = await judge.judge(check_of(row), policy)
    except JudgeError:
        return Judged(row, True, None, None, 0.0, 0, undecided=True)
    return Judged(
        row=row,
        flagged=not verdict.passed,
        score=verdict.score,
        label_mass=verdict.label_mass,
        latency=verdict.latency,
        prompt_tokens=verdict.prompt_tokens,
        undecided=verdict.outcome is Outcome.UNDECIDED,
    )
