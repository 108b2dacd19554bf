"""Chains a judge onto every generation: no chunk leaves that a passing verdict does not cover.

The native model starts at once and the judge reads the prompt meanwhile. At most one check per choice is in
flight. While it runs, tokens pile up; when it passes, everything it covered is released and the next check
starts on all that has arrived, so that a window is as large as the judge is slow. A short beginning that is
flagged is not the end yet: it is held, and covered again by the next check.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from serving.judging.asking import ask, is_cancelled
from serving.judging.choice import Choice, Window
from serving.judging.conversation import Check, Conversation, Message, Stage
from serving.judging.judgement import Judgement, Tally
from serving.judging.policy import Mode, Policy
from serving.judging.protocols import Chunk, Engine, EngineError, Generation, Judge, Usage
from serving.judging.readable import readable
from serving.judging.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Release:
    """Chunks of one choice that may leave. `judgement` comes with the last ones."""

    choice: int
    chunks: tuple[Chunk, ...]
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """The choice ends here: nothing more of it leaves."""

    choice: int
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Settlement:
    """The last event of every answer that was not broken off: its cost and findings, over all choices."""

    usage: Usage
    judgement: Judgement


Event = Release | Block | Settlement


class Chain:
    """Runs one generation under one policy. Use once."""

    def __init__(
        self, engine: Engine, judge: Judge, policy: Policy, generation: Generation, conversation: Conversation
    ) -> None:
        self._engine = engine
        self._judge = judge
        self._policy = policy
        self._generation = generation
        self._conversation = conversation
        self._choices = [Choice(index) for index in range(generation.n)]
        self._tallies = [Tally() for _ in range(generation.n)]
        self._judgements: list[Judgement | None] = [None] * generation.n
        self._events: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        self._usage = Usage()
        self._found: set[int] = set()
        self._pumping: asyncio.Task[None] | None = None

    async def run(self) -> AsyncGenerator[Event, None]:
        """Yield events until the settlement. Raises EngineError when the native model fails.

        Closing the generator, or cancelling whoever iterates it, stops generation and judging first.
        """
        loop = asyncio.get_running_loop()
        pump = self._pumping = loop.create_task(self._pump())
        prompt = loop.create_task(self._check(Stage.PROMPT))
        judging = [loop.create_task(self._judge_choice(choice, prompt)) for choice in self._choices]
        conclusion = loop.create_task(self._conclude(judging, prompt))
        tasks: list[asyncio.Task[Any]] = [pump, prompt, *judging, conclusion]
        for task in (pump, *judging, conclusion):
            task.add_done_callback(self._report_failure)
        try:
            while True:
                event = await self._events.get()
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, Settlement):
                    await _stop([pump])
                    yield self._settled(event)
                    return
                yield event
        finally:
            await _stop(tasks)

    async def _pump(self) -> None:
        """Move the engine's chunks into their choices. Cancelling it closes the engine's generator."""
        try:
            await self._move()
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise EngineError(503, "The model broke off its answer.", code="model_unavailable") from None

    async def _move(self) -> None:
        async with aclosing(self._engine.generate(self._generation)) as deltas:
            async for delta in deltas:
                self._usage = delta.usage
                for chunk in delta.chunks:
                    if not 0 <= chunk.choice < len(self._choices):
                        raise EngineError(502, "The model answered with a choice that was not asked for.")
                    choice = self._choices[chunk.choice]
                    if choice.finished:
                        raise EngineError(502, "The model went on after it had finished.")
                    choice.arrive(chunk)
                    self._tallies[chunk.choice].generated += chunk.tokens + chunk.hidden
                    if self._policy.mode is Mode.OBSERVE and chunk.finish_reason is None:
                        self._release(choice, (chunk,))
        if not all(choice.finished or choice.closed for choice in self._choices):
            raise EngineError(502, "The model stopped before its answer was complete.")

    async def _judge_choice(self, choice: Choice, prompt: "asyncio.Task[Verdict]") -> None:
        """Judge one choice window by window until it ends or violates."""
        first = await asyncio.shield(prompt)
        judgement = Judgement(self._policy, first, self._tallies[choice.index])
        self._judgements[choice.index] = judgement
        if not first.passed and self._violated(choice, judgement):
            return
        least = self._policy.first_window
        while True:
            window = await choice.window(least, whole=self._policy.mode is Mode.GATE)
            least = self._policy.window_after(window.tokens)
            held = False
            for stage, text in _judged(window):
                # A call is judged after what was said with it: neither may complete the other unseen.
                said = window.text if stage is Stage.TOOL_CALL else ""
                verdict = await self._check(stage, text, said)
                if held := self._in_doubt(verdict, window):
                    judgement.hold(verdict)
                    break
                judgement.add(verdict)
                if not verdict.passed and self._violated(choice, judgement):
                    return
            if held:
                choice.hold(window)
                continue
            judgement.tally.judged = window.tokens
            if self._policy.enforcing:
                self._release(choice, window.chunks, judgement if window.finished else None)
            elif window.finished:
                last = tuple(chunk for chunk in window.chunks if chunk.finish_reason is not None)
                self._release(choice, last, judgement)
            if window.finished:
                return

    def _in_doubt(self, verdict: Verdict, window: Window) -> bool:
        """Whether a finding waits for what follows: of a beginning, by a judge that could decide."""
        short = not window.finished and window.tokens < self._policy.hold_until
        return short and verdict.outcome is Outcome.FLAGGED

    async def _check(self, stage: Stage, text: str = "", said: str = "") -> Verdict:
        generation = self._generation
        before = (*self._conversation, Message("assistant", readable(said))) if said else self._conversation
        check = Check(stage, before, readable(text), generation.cache_salt, generation.request_id)
        return await ask(self._judge, self._policy, check)

    def _release(self, choice: Choice, chunks: tuple[Chunk, ...], judgement: Judgement | None = None) -> None:
        self._tallies[choice.index].released += sum(chunk.tokens for chunk in chunks)
        self._events.put_nowait(Release(choice.index, chunks, judgement))

    def _violated(self, choice: Choice, judgement: Judgement) -> bool:
        """Act on a verdict that does not pass. True where the choice ends: always, unless observing."""
        if not self._policy.enforcing:
            if choice.index not in self._found:
                judgement.tally.exposed = judgement.tally.released
            self._found.add(choice.index)
            return False
        choice.close()
        self._events.put_nowait(Block(choice.index, judgement))
        if self._pumping is not None and all(other.closed or other.finished for other in self._choices):
            self._pumping.cancel()
        return True

    async def _conclude(self, judging: "list[asyncio.Task[None]]", prompt: "asyncio.Task[Verdict]") -> None:
        """When every choice has ended, settle. Failures are reported by their own tasks."""
        await asyncio.gather(*judging)
        total = Judgement(self._policy, await asyncio.shield(prompt))
        total.count(total.verdict)
        for part in self._judgements:
            if part is not None:
                total.add_part(part)
        self._events.put_nowait(Settlement(self._usage, total))

    def _settled(self, settlement: Settlement) -> Settlement:
        """The settlement with what the engine had generated when it stopped."""
        settlement.judgement.tally = self.tally
        return Settlement(self.usage, settlement.judgement)

    @property
    def tally(self) -> Tally:
        """What has become of the tokens of all choices by now."""
        tally = Tally()
        for part in self._tallies:
            tally.add(part)
        return tally

    @property
    def usage(self) -> Usage:
        """The engine's count by now, and never less than what has arrived."""
        generated = sum(part.generated for part in self._tallies)
        return replace(self._usage, completion_tokens=max(self._usage.completion_tokens, generated))

    def _report_failure(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._events.put_nowait(error)


def _judged(window: Window) -> list[tuple[Stage, str]]:
    """What of a window is to be judged. An empty answer rests on the prompt's verdict."""
    stages = []
    if any(chunk.text and not chunk.tool for chunk in window.chunks):
        stages.append((Stage.ANSWER, window.text))
    if any(chunk.text and chunk.tool for chunk in window.chunks):
        stages.append((Stage.TOOL_CALL, window.tool_text))
    spelled = any(chunk.spelled for chunk in window.chunks)
    if spelled and not window.text.startswith(window.spelled):
        stages.append((Stage.ANSWER, window.spelled))
    if any(chunk.alternatives for chunk in window.chunks):
        stages.append((Stage.ANSWER, window.alternatives))
    return stages


async def _stop(tasks: "list[asyncio.Task[Any]]") -> None:
    """Cancel, and wait until all have ended, however often the waiting itself is cancelled meanwhile.

    A server that leaves a stream cancels whoever reads it again and again until it is gone; passed on, that
    would interrupt an engine's clean-up, and the generation would run on without a reader.
    """
    for task in tasks:
        task.cancel()
    ended = asyncio.gather(*tasks, return_exceptions=True)
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
