"""Shadow judges: candidates that judge a share of the same traffic, after the verdict and without acting.

A shadow is asked when the judge has decided, in a task of its own, so that nothing waits for it. What it
says, and whether it says anything, changes nothing but counters and a record of disagreements.
"""

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from serving.judging.conversation import Check
from serving.judging.policy import Policy
from serving.judging.protocols import Judge, JudgeError
from serving.judging.verdict import Verdict


class Result(StrEnum):
    """How a shadow's verdict compares with the judge's; undecided blocks, as everywhere.

    `failed`: it gave none. `dropped`: it was not asked, because it was busy.
    """

    AGREED = "agreed"
    WOULD_BLOCK = "would_block"
    WOULD_ALLOW = "would_allow"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One check, the verdict that counts, and what the shadow made of it. Seconds are the shadow's own."""

    shadow: str
    result: Result
    check: Check
    verdict: Verdict
    candidate: Verdict | None = None
    seconds: float = 0.0

    @property
    def disagreed(self) -> bool:
        return self.result in (Result.WOULD_BLOCK, Result.WOULD_ALLOW)


class Listener(Protocol):
    """Who learns what came of the checks offered to a shadow. Neither method raises."""

    def count(self, comparison: Comparison) -> None: ...

    async def keep(self, comparison: Comparison) -> None:
        """Record a disagreement. The shadow takes nothing else in this place until it returns."""
        ...


class Shadow:
    """One candidate: bounded in what it does at a time, in how long it may take, and in what it is asked."""

    def __init__(
        self,
        judge: Judge,
        listener: Listener,
        *,
        sample: float,
        in_flight: int,
        timeout: float,
    ) -> None:
        self._judge = judge
        self._listener = listener
        self._sample = sample
        self._in_flight = in_flight
        self._timeout = timeout
        self._tasks: set[asyncio.Task[None]] = set()

    def offer(self, check: Check, policy: Policy, verdict: Verdict) -> None:
        """Take a check that was judged, or leave it. Returns at once and never raises."""
        if not self._sampled(check):
            return
        if len(self._tasks) >= self._in_flight:
            self._listener.count(Comparison(self._judge.id, Result.DROPPED, check, verdict))
            return
        task = asyncio.get_running_loop().create_task(self._compare(check, policy, verdict))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what is under way, without waiting for a shadow that does not let go."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    def _sampled(self, check: Check) -> bool:
        """All checks of a request or none, so that an answer is followed to its end."""
        if not check.request_id:
            return random.random() < self._sample  # noqa: S311  a sample, not a secret
        digest = hashlib.sha256(f"{self._judge.id}/{check.request_id}".encode()).digest()
        return int.from_bytes(digest[:8]) < self._sample * 2**64

    async def _compare(self, check: Check, policy: Policy, verdict: Verdict) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        candidate: Verdict | None = None
        try:
            async with asyncio.timeout(self._timeout):
                candidate = await self._judge.judge(check, policy)
            result = _compared(verdict, candidate)
        except Exception:  # noqa: BLE001  however a shadow fails, it is a failure of the shadow
            result, candidate = Result.FAILED, None
        seconds = loop.time() - started
        comparison = Comparison(self._judge.id, result, check, verdict, candidate, seconds)
        self._listener.count(comparison)
        if comparison.disagreed:
            await self._listener.keep(comparison)


class ShadowedJudge:
    """A judge whose verdicts are offered to shadows. Behaves as the judge itself in everything."""

    def __init__(self, judge: Judge, shadows: Sequence[Shadow]) -> None:
        self._judge = judge
        self._shadows = tuple(shadows)
        self.id = judge.id
        self.digest = judge.digest

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        verdict = await self._judge.judge(check, policy)
        for shadow in self._shadows:
            shadow.offer(check, policy, verdict)
        return verdict


def _compared(verdict: Verdict, candidate: Verdict) -> Result:
    if candidate.stage is not verdict.stage:
        raise JudgeError("garbled", "the shadow's verdict is on another stage than was asked")
    if candidate.passed == verdict.passed:
        return Result.AGREED
    return Result.WOULD_ALLOW if candidate.passed else Result.WOULD_BLOCK
