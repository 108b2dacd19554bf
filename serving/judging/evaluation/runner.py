"""Putting rows to a judge, several at a time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.training.rows import Row
from serving.judging.conversation import Stage
from serving.judging.evaluation.checks import check_of
from serving.judging.evaluation.growing import judge_growing
from serving.judging.policy import Policy
from serving.judging.protocols import Judge, JudgeError
from serving.judging.verdict import Outcome


@dataclass(frozen=True, slots=True)
class Judged:
    """One row and what the judge made of it. An undecided row counts as flagged, because it would be blocked;
    it has a score only where the judge gave one that it was unsure about."""

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
    growing: bool = False,
    done: Callable[[], None] = lambda: None,
) -> list[Judged]:
    """Judge every row that has one label (pairs are left out), in the order of the rows.

    With `growing`, answers are judged as a stream of them is: an answer is flagged where it would have been
    blocked, its latency is the sum of all checks, and its score that of the one which decided.
    """
    gate = asyncio.Semaphore(concurrency)

    async def one(row: Row) -> Judged:
        async with gate:
            result = await _judge_row(judge, policy, row, growing)
            done()
            return result

    return list(await asyncio.gather(*(one(row) for row in rows if row.kind != "pair")))


async def _judge_row(judge: Judge, policy: Policy, row: Row, growing: bool) -> Judged:
    check = check_of(row)
    if growing and check.stage is Stage.ANSWER:
        judgement = await judge_growing(judge, policy, check)
        verdict, latency, tokens = judgement.verdict, judgement.seconds, judgement.judge_tokens
    else:
        try:
            verdict = await judge.judge(check, policy)
        except JudgeError:
            return Judged(row, True, None, None, 0.0, 0, undecided=True)
        latency, tokens = verdict.latency, verdict.prompt_tokens
    return Judged(
        row=row,
        flagged=not verdict.passed,
        score=verdict.score,
        label_mass=verdict.label_mass,
        latency=latency,
        prompt_tokens=tokens,
        undecided=verdict.outcome is Outcome.UNDECIDED,
    )
