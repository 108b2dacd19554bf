"""Asks the native model again where its answer violates, before the reader is refused one.

Only a choice of which nothing has left is repaired: what a client holds stays a prefix of what follows,
because it is empty. A choice that had begun to leave ends with its refusal, as without repair.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from serving.judging.chain import Block, Chain, Event, Release, Settlement
from serving.judging.conversation import Stage
from serving.judging.judgement import Judgement, gravity
from serving.judging.policy import Policy
from serving.judging.protocols import Chunk, EngineError, Generation, Usage
from serving.judging.verdict import Outcome, Verdict


@dataclass(slots=True)
class _Books:
    """Cost and findings of all attempts, and how each choice ended."""

    ends: dict[int, Judgement] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    broken: dict[int, Block] = field(default_factory=dict)


class Repairing:
    """Runs a chain, and another one for each choice that needs it. Use once.

    At most `policy.repair.attempts` further attempts for each choice, within its seconds and tokens, all
    judged like the first one. The model is told what was found; the reader sees nothing of a failed attempt.
    """

    def __init__(
        self, chain_of: Callable[[Generation], Chain], policy: Policy, generation: Generation
    ) -> None:
        self._chain_of = chain_of
        self._policy = policy
        self._generation = generation
        self._books = _Books()
        self._left = policy.repair.tokens

    async def run(self) -> AsyncGenerator[Event, None]:
        """Yield events until the one settlement. Raises what the first chain raises."""
        settlement: Settlement | None = None
        async with aclosing(self._chain_of(self._generation).run()) as events:
            async for event in events:
                if isinstance(event, Settlement):
                    settlement = event
                elif not self._withheld(event):
                    yield event
        if settlement is None:
            return
        deadline = asyncio.get_running_loop().time() + self._policy.repair.seconds
        for block in list(self._books.broken.values()):
            async with aclosing(self._repair(block, settlement, deadline)) as events:
                async for event in events:
                    if isinstance(event, Settlement):
                        settlement = event
                    else:
                        yield event
        yield self._concluded(settlement)

    def _withheld(self, event: Release | Block) -> bool:
        """Note an event of the first attempt. True for a block that may be repaired."""
        books = self._books
        if isinstance(event, Release):
            books.begun.add(event.choice)
        if event.judgement is not None:
            books.ends[event.choice] = event.judgement
        if (
            isinstance(event, Block)
            and event.choice not in books.begun
            and _repairable(event.judgement.verdict)
        ):
            books.broken[event.choice] = event
            return True
        return False

    async def _repair(
        self, block: Block, settlement: Settlement, deadline: float
    ) -> AsyncGenerator[Event, None]:
        """Attempts at one choice: its events, and after them the settlement with their cost."""
        failed = [block.judgement.verdict]
        for number in range(1, self._policy.repair.attempts + 1):
            if self._left <= 0 or asyncio.get_running_loop().time() >= deadline:
                break
            generation = asked_again(self._generation, failed[-1], block.choice, number, self._left)
            chain = self._chain_of(generation)
            ended: Judgement | None = None
            judged: Judgement | None = None
            blocked = begun = False
            async with aclosing(_until(chain.run(), deadline)) as events:
                async for event in events:
                    if isinstance(event, Settlement):
                        judged = event.judgement
                        continue
                    begun = begun or isinstance(event, Release)
                    ended, blocked = event.judgement or ended, isinstance(event, Block)
                    if isinstance(event, Release):
                        judgement = self._with(event.judgement, failed)
                        yield Release(block.choice, _of_choice(event.chunks, block.choice), judgement)
            settlement = _added(settlement, chain, judged or ended)
            self._left -= chain.tally.generated
            if ended is not None and not blocked:
                self._books.ends[block.choice] = ended
                yield settlement
                return
            if ended is not None:
                failed.append(ended.verdict)
            if begun or ended is None or not _repairable(ended.verdict):
                break
        last = self._with(block.judgement, failed)
        if last is not None:
            last.verdict = failed[-1]
            self._books.ends[block.choice] = last
            yield Block(block.choice, last)
        yield settlement

    @staticmethod
    def _with(judgement: Judgement | None, failed: list[Verdict]) -> Judgement | None:
        if judgement is not None:
            judgement.attempts = list(failed)
        return judgement

    def _concluded(self, settlement: Settlement) -> Settlement:
        """The settlement with the gravest of the choices' ends for its verdict."""
        judgement = settlement.judgement
        if self._books.broken:
            judgement.verdict = max((end.verdict for end in self._books.ends.values()), key=gravity)
            judgement.attempts = [verdict for end in self._books.ends.values() for verdict in end.attempts]
        return settlement


async def _until(events: AsyncGenerator[Event, None], deadline: float) -> AsyncGenerator[Event, None]:
    """Events up to a moment, or to a failure of the engine: the answer ends with what was found before."""
    async with aclosing(events):
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    event = await anext(events)
            except (StopAsyncIteration, TimeoutError, EngineError):
                return
            yield event


def asked_again(generation: Generation, found: Verdict, choice: int, number: int, tokens: int) -> Generation:
    """The request once more, for one choice, with what was found in front of the conversation."""
    what = ", ".join(found.categories) or "the usage policy"
    note = (
        "A previous answer to this conversation was withheld because it goes against the usage policy "
        f"({what}). Answer again within the policy. Where that is not possible, decline briefly. "
        "Do not mention this note."
    )
    body = dict(generation.body)
    messages = list(body["messages"])
    first: dict[str, Any] = dict(messages[0])
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        messages[0] = {**first, "content": f"{first['content']}\n\n{note}"}
    else:
        messages.insert(0, {"role": "system", "content": note})
    limit = min(int(body.get("max_completion_tokens") or tokens), tokens)
    return replace(
        generation,
        request_id=f"{generation.request_id}-{choice}-{number}",
        body={**body, "messages": messages, "max_completion_tokens": limit},
        n=1,
    )


def _of_choice(chunks: tuple[Chunk, ...], choice: int) -> tuple[Chunk, ...]:
    """Chunks of an attempt, which has one choice, as those of the choice that it repairs."""
    return tuple(
        replace(chunk, choice=choice, payload={**chunk.payload, "index": choice}) for chunk in chunks
    )


def _repairable(verdict: Verdict) -> bool:
    """A finding about what the model said. Doubt is no finding, and another answer mends no prompt."""
    return verdict.outcome is Outcome.FLAGGED and verdict.stage is not Stage.PROMPT


def _added(settlement: Settlement, chain: Chain, more_judged: Judgement | None) -> Settlement:
    """The settlement with the cost of a further chain, however it ended."""
    before, more = settlement.usage, chain.usage
    usage = Usage(
        before.prompt_tokens + more.prompt_tokens,
        before.completion_tokens + more.completion_tokens,
        before.cached_tokens + more.cached_tokens,
    )
    judgement = settlement.judgement
    judgement.tally.add(chain.tally)
    if more_judged is not None:
        judgement.add_part(more_judged)
    return Settlement(usage, judgement)
