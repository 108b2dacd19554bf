"""A native model and a judge that do what a scenario says, step by step, and keep a record of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import nan
from typing import cast

from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Criterion, Mode, Policy
from serving.judging.protocols import Chunk, Delta, Generation, JudgeError, Usage
from serving.judging.verdict import Outcome, Verdict

TIMEOUT = 10.0
"""Virtual seconds that a judge call may take in these tests."""

CONVERSATION = (Message("user", "the prompt"),)


@dataclass(frozen=True, slots=True)
class Wait:
    """Virtual seconds, then passes of the event loop."""

    seconds: int = 0
    passes: int = 0

    async def over(self) -> None:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        for _ in range(self.passes):
            await asyncio.sleep(0)


AT_ONCE = Wait()


@dataclass(frozen=True, slots=True)
class Step:
    """One delta of the engine, or its failure in place of one."""

    chunks: tuple[Chunk, ...] = ()
    wait: Wait = AT_ONCE
    fault: Callable[[], BaseException] | None = None


class ScriptedEngine:
    """Yields its steps. `running` is 1 while a generation's generator has not been closed to its end."""

    def __init__(self, steps: Sequence[Step], closing: Wait = AT_ONCE) -> None:
        self._steps = steps
        self._closing = closing
        self.produced: list[tuple[float, Chunk]] = []
        self.calls = 0
        self.running = 0

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        self.calls += 1
        self.running += 1
        try:
            for step in self._steps:
                await step.wait.over()
                if step.fault is not None:
                    raise step.fault()
                now = asyncio.get_running_loop().time()
                self.produced += [(now, chunk) for chunk in step.chunks]
                tokens = sum(chunk.tokens + chunk.hidden for _, chunk in self.produced)
                yield Delta(step.chunks, Usage(7, tokens))
        finally:
            try:
                await self._closing.over()
            finally:
                self.running -= 1

    def of(self, choice: int) -> list[Chunk]:
        """What was produced of one choice."""
        return [chunk for _, chunk in self.produced if chunk.choice == choice]


class Does(StrEnum):
    """What a judge does when it is asked. Only `passes` is a passing verdict."""

    PASSES = "passes"
    FLAGS = "flags"
    UNSURE = "unsure"
    ERROR = "error"
    CRASH = "crash"
    CANCELLED = "cancelled"
    HANG = "hang"
    LATE = "late"
    STUBBORN = "stubborn"
    WRONG_STAGE = "wrong_stage"
    NAN = "nan"
    BEYOND_ONE = "beyond_one"
    GARBAGE = "garbage"


@dataclass(slots=True)
class Call:
    """One judge call as the judge saw it."""

    check: Check
    does: Does
    began: float
    passed: bool = False
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Answering:
    """How one call is answered, and after what wait."""

    does: Does = Does.PASSES
    wait: Wait = AT_ONCE


@dataclass(slots=True)
class ScriptedJudge:
    """Answers its n-th call as the script says; passes at once when the script is over.

    With `flagged`, a text that contains one of these words is flagged whatever the script says.
    """

    script: Sequence[Answering] = ()
    flagged: tuple[str, ...] = ()
    id: str = "scripted"
    digest: str = "d" * 64
    calls: list[Call] = field(default_factory=list)

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        loop = asyncio.get_running_loop()
        place = len(self.calls)
        answering = self.script[place] if place < len(self.script) else Answering()
        does = Does.FLAGS if any(word in check.text for word in self.flagged) else answering.does
        call = Call(check, does, loop.time())
        self.calls.append(call)
        try:
            await answering.wait.over()
            verdict = await _verdict(does, check, policy)
            call.passed = does is Does.PASSES
            return verdict
        finally:
            call.ended = loop.time()

    @property
    def in_flight(self) -> int:
        return sum(call.ended is None for call in self.calls)

    def of(self, choice: int) -> list[Call]:
        """The calls on one choice's text. Every scripted text names its choice."""
        return [call for call in self.calls if f"<{choice}." in call.check.text]

    def texts(self, choice: int, stage: Stage = Stage.ANSWER, passed: bool = True) -> list[str]:
        """The texts of one choice that were judged, only those that passed unless told otherwise."""
        return [
            call.check.text
            for call in self.of(choice)
            if call.check.stage is stage and (call.passed or not passed)
        ]

    def prompt(self) -> Call | None:
        return next((call for call in self.calls if call.check.stage is Stage.PROMPT), None)


async def _verdict(does: Does, check: Check, policy: Policy) -> Verdict:
    match does:
        case Does.ERROR:
            raise JudgeError("unavailable", "the judge is down")
        case Does.CRASH:
            raise ZeroDivisionError
        case Does.CANCELLED:
            raise asyncio.CancelledError
        case Does.HANG:
            await asyncio.Event().wait()
        case Does.LATE:
            await asyncio.sleep(TIMEOUT + 1)
        case Does.STUBBORN:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return verdict(check.stage, policy)
        case Does.GARBAGE:
            return cast(Verdict, None)  # a judge that breaks its contract
        case Does.WRONG_STAGE:
            other = Stage.PROMPT if check.stage is not Stage.PROMPT else Stage.ANSWER
            return verdict(other, policy)
        case Does.NAN:
            return verdict(check.stage, policy, score=nan)
        case Does.BEYOND_ONE:
            return verdict(check.stage, policy, score=1.5)
        case Does.FLAGS:
            return verdict(check.stage, policy, Outcome.FLAGGED, 0.9)
        case Does.UNSURE:
            return verdict(check.stage, policy, Outcome.UNDECIDED, 0.4)
    return verdict(check.stage, policy)


def verdict(
    stage: Stage, policy: Policy, outcome: Outcome = Outcome.PASSED, score: float | None = 0.1
) -> Verdict:
    return Verdict(
        outcome=outcome,
        stage=stage,
        judge="scripted",
        judge_digest="d" * 64,
        policy=policy.id,
        policy_version=policy.version,
        policy_digest=policy.digest,
        score=score,
        label_mass=0.99,
        prompt_tokens=10,
        cached_tokens=4,
    )


def policy(
    mode: Mode, first_window: int = 1, least_window: int = 1, window_growth: float = 0, hold_until: int = 0
) -> Policy:
    return Policy(
        id="test",
        version="1",
        mode=mode,
        first_window=first_window,
        least_window=least_window,
        window_growth=window_growth,
        hold_until=hold_until,
        judge_timeout=TIMEOUT,
        criteria=(Criterion(id="harm", description="Harm."),),
    )


def text_chunk(choice: int, number: int, tokens: int = 1, finish: str | None = None, word: str = "") -> Chunk:
    """A chunk of text that names its choice and its place."""
    text = f"<{choice}.{number}{word}>"
    payload = {"index": choice, "delta": {"content": text}, "finish_reason": finish}
    return Chunk(choice, payload, text, tokens, finish_reason=finish)


def silent_chunk(
    choice: int, tokens: int = 0, finish: str | None = None, tool: bool = False, hidden: int = 0
) -> Chunk:
    """A chunk without text: the role at the start, half a character, dropped reasoning, the bare end."""
    payload = {"index": choice, "delta": {}, "finish_reason": finish}
    return Chunk(choice, payload, "", tokens, tool=tool, finish_reason=finish, hidden=hidden)


def tool_chunk(choice: int, number: int, tokens: int = 1, finish: str | None = None) -> Chunk:
    """A part of a tool call."""
    text = f"<{choice}.{number}:call>"
    payload = {"index": choice, "delta": {"tool_calls": [{"index": 0}]}, "finish_reason": finish}
    return Chunk(choice, payload, text, tokens, tool=True, finish_reason=finish)
