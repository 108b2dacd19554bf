"""An answer judged as a stream of it is: window by window, by the chain that serves it."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

from serving.judging.chain import Chain, Settlement
from serving.judging.conversation import Check, Stage
from serving.judging.judgement import Judgement
from serving.judging.policy import Mode, Policy
from serving.judging.protocols import Chunk, Delta, Generation, Judge, Usage
from serving.judging.verdict import Outcome, Verdict

PATIENCE = 300.0
"""Seconds a check may take here, where many rows share a judge and nobody waits for an answer."""

_WORD = re.compile(r"\s*\S+\s*")
_BYTES_A_TOKEN = 4


async def judge_growing(judge: Judge, policy: Policy, check: Check) -> Judgement:
    """What a client would have been told at the end of `check.text`, an answer that grows.

    Its prompt counts as passed. There is one check for each window of the policy, as with a model that is
    slower than its judge; a token is taken for four bytes.
    """
    rules = policy.model_copy(update={"judge_timeout": PATIENCE})
    reader = _Reader(judge)
    answer = _Replay(tuple(windows(check.text, rules)), reader.read)
    chain = Chain(answer, reader, rules, Generation("evaluation", {}), check.conversation)
    async with aclosing(chain.run()) as events:
        async for event in events:
            if isinstance(event, Settlement):
                return event.judgement
    raise AssertionError("a chain ends with its settlement")


def windows(text: str, policy: Policy) -> Iterator[tuple[str, int]]:
    """The text as it arrives between two checks, with its tokens: in words, joined it is the text."""
    if policy.mode is Mode.GATE:
        yield text, _tokens(text)
        return
    words = _WORD.findall(text) or [text]
    window, new, judged, wanted = "", 0, 0, policy.first_window
    for word in words[:-1]:
        window, new = window + word, new + _tokens(word)
        if new >= wanted:
            yield window, new
            judged += new
            window, new, wanted = "", 0, policy.window_after(judged)
    yield window + words[-1], new + _tokens(words[-1])


def _tokens(text: str) -> int:
    return max(1, len(text.encode()) // _BYTES_A_TOKEN)


@dataclass
class _Reader:
    """Passes answers on to the judge and says when one was read; prompts pass."""

    judge_model: Judge
    read: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.id, self.digest = self.judge_model.id, self.judge_model.digest

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        if check.stage is Stage.PROMPT:
            return Verdict(Outcome.PASSED, check.stage, self.id, self.digest, policy.id, policy.version)
        try:
            return await self.judge_model.judge(check, policy)
        finally:
            self.read.set()


@dataclass
class _Replay:
    """A native model that says what is known, and its next window when the last one was read."""

    parts: tuple[tuple[str, int], ...]
    read: asyncio.Event

    async def generate(self, _: Generation) -> AsyncGenerator[Delta, None]:
        said = 0
        for number, (text, tokens) in enumerate(self.parts):
            finish = "stop" if number == len(self.parts) - 1 else None
            payload = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
            said += tokens
            yield Delta((Chunk(0, payload, text, tokens, finish_reason=finish),), Usage(0, said))
            if finish is None:
                await self.read.wait()
                self.read.clear()
