"""A simulated engine: scripted tokens, delays and faults behind the interface of the real one.

For tests of faults and timing and for measuring the gateway alone. Never a model: settings refuse it in
production mode, and every answer names the model `simulated`.

The script is YAML or a mapping::

    answers: {"": "words to say to any prompt", "hello": "words to say when the prompt contains hello"}
    judge: {"": 0.02, "bomb": 0.98}     # probability of a violation when the judged text contains the word
    token_delay: 0.01                   # seconds per token
    judge_delay: 0.02                   # seconds per check
    fail_after: 5                       # tokens after which the native engine fails
    judge_fault: none                   # none | error | hang | garbled | low_mass | nan
"""

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from serving.chunks import chunk_of
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Delta, EngineError, Generation, JudgeError, Usage

T = TypeVar("T")
JudgeFault = Literal["none", "error", "hang", "garbled", "low_mass", "nan"]


class Script(BaseModel):
    """What a simulated engine does. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: dict[str, str] = Field(default={"": "The quick brown fox jumps over the lazy dog."})
    judge: dict[str, float] = Field(default={"": 0.02})
    token_delay: float = Field(default=0.0, ge=0)
    judge_delay: float = Field(default=0.0, ge=0)
    fail_after: int | None = Field(default=None, ge=0)
    judge_fault: JudgeFault = "none"


class SimulatedEngine:
    """Says what its script says, one word a token."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._unfinished = 0

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        """Stream the scripted words as OpenAI chunks, all choices in step. Raises EngineError as scripted."""
        prompt = " ".join(_texts(generation.body.get("messages", [])))
        words = re.findall(r"\S+\s*", _lookup(self.script.answers, prompt, ""))
        limit = (
            generation.body.get("max_completion_tokens") or generation.body.get("max_tokens") or len(words)
        )
        said = words[: int(limit)]
        finish = "length" if len(said) < len(words) else "stop"
        prompt_tokens = len(prompt.split())
        self._unfinished += 1
        try:
            opening = [
                self._chunk(index, {"role": "assistant", "content": ""}) for index in range(generation.n)
            ]
            yield Delta(tuple(chunk_of(choice) for choice in opening), Usage(prompt_tokens, 0))
            for position, word in enumerate(said):
                if self.script.fail_after is not None and position >= self.script.fail_after:
                    raise EngineError(502, "The model failed to answer.", code="model_failed")
                await asyncio.sleep(self.script.token_delay)
                last = position == len(said) - 1
                chunks = [
                    self._chunk(index, {"content": word}, finish if last else None, token=position)
                    for index in range(generation.n)
                ]
                usage = Usage(prompt_tokens, (position + 1) * generation.n)
                yield Delta(tuple(chunk_of(choice) for choice in chunks), usage)
            if not said:
                ends = [self._chunk(index, {}, finish) for index in range(generation.n)]
                yield Delta(tuple(chunk_of(choice) for choice in ends), Usage(prompt_tokens, 0))
        finally:
            self._unfinished -= 1

    async def score(self, questions: Sequence[Question]) -> list[LabelScores | JudgeError]:
        """Answer with the scripted probability for the last label, the first label taking the rest."""
        await asyncio.sleep(self.script.judge_delay)
        if self.script.judge_fault == "hang":
            await asyncio.Event().wait()
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> LabelScores | JudgeError:
        fault = self.script.judge_fault
        if fault == "error":
            return JudgeError("failed", "simulated failure")
        if fault == "garbled":
            return LabelScores(pieces=())
        text = " ".join(s.text for s in question.segments if not s.trusted)
        violation = min(max(_lookup(self.script.judge, text, 0.02), 1e-6), 1 - 1e-6)
        mass = 0.1 if fault == "low_mass" else 0.999
        first, *rest = question.labels
        scores = {first: math.log(violation * mass)}
        scores |= {label: math.log((1 - violation) * mass / max(len(rest), 1)) for label in rest}
        if fault == "nan":
            scores[first] = math.nan
        return LabelScores(pieces=(scores,), prompt_tokens=len(text.split()))

    async def check_ready(self) -> None:
        """Always ready."""

    async def check_alive(self) -> None:
        """Never dies by itself."""

    @property
    def context_length(self) -> int:
        return 8192

    def assert_labels(self, labels: Sequence[str]) -> None:
        """Every label is a word, and so a token here."""

    def reserved_tokens(self) -> tuple[str, ...]:
        return ("<|im_start|>", "<|im_end|>")

    def unfinished(self) -> int:
        return self._unfinished

    def stop(self) -> None:
        """Nothing runs outside the calls."""

    @staticmethod
    def _chunk(
        index: int, delta: dict[str, str], finish: str | None = None, token: int | None = None
    ) -> dict[str, object]:
        ids = [] if token is None else [token]
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish, "token_ids": ids}


def _lookup(table: dict[str, T], text: str, default: T) -> T:
    """The entry of the longest key that the text contains."""
    hits = [key for key in table if key.lower() in text.lower()]
    return table[max(hits, key=len)] if hits else default


def _texts(messages: Sequence[dict[str, object]]) -> list[str]:
    return [str(message.get("content") or "") for message in messages]
