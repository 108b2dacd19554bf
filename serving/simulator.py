"""A simulated engine: scripted tokens, delays and faults behind the interface of the real one.

For tests of faults and timing and for measuring the gateway alone. Never a model: settings refuse it in
production mode, and every answer names the model `simulated`.

The script is YAML or a mapping::

    answers: {"": "words to say to any prompt", "hello": "words to say when the prompt contains hello"}
    reasoning: {"hello": "words to think before them"}
    calls: {"hello": [{"name": "greet", "arguments": "{}"}]}   # where tools are offered, instead of words
    judge: {"": 0.02, "bomb": 0.98}     # probability of a violation when the judged text contains the word
    token_delay: 0.01                   # seconds per token
    judge_delay: 0.02                   # seconds per check
    fail_after: 5                       # tokens after which the native engine fails
    judge_fault: none                   # none | error | hang | garbled | low_mass | nan
    server: http://127.0.0.1:8181       # a scripted server to ask instead, see `serving.simulated_upstream`
"""

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from serving.chunks import chunk_of
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Delta, EngineError, Generation, JudgeError, Usage

T = TypeVar("T")
JudgeFault = Literal["none", "error", "hang", "garbled", "low_mass", "nan"]


class SimulatedCall(BaseModel):
    """A tool call, as the native engine would put it out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    arguments: str = "{}"


class Script(BaseModel):
    """What a simulated engine does. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: dict[str, str] = Field(default={"": "The quick brown fox jumps over the lazy dog."})
    reasoning: dict[str, str] = Field(default={})
    calls: dict[str, list[SimulatedCall]] = Field(default={})
    judge: dict[str, float] = Field(default={"": 0.02})
    token_delay: float = Field(default=0.0, ge=0)
    judge_delay: float = Field(default=0.0, ge=0)
    fail_after: int | None = Field(default=None, ge=0)
    judge_fault: JudgeFault = "none"
    server: str | None = Field(default=None, pattern=r"^https?://")


class SimulatedEngine:
    """Says what its script says, one word a token."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._unfinished = 0

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        """Stream the scripted words as OpenAI chunks, all choices in step. Raises EngineError as scripted."""
        prompt = " ".join(_texts(generation.body))
        deltas = self._deltas(generation.body, prompt)
        limit = int(
            generation.body.get("max_completion_tokens") or generation.body.get("max_tokens") or len(deltas)
        )
        said = deltas[:limit]
        finish = "stop" if len(said) == len(deltas) else "length"
        if finish == "stop" and said and "tool_calls" in said[-1]:
            finish = "tool_calls"
        prompt_tokens = len(prompt.split())
        self._unfinished += 1
        try:
            opening = [
                self._chunk(index, {"role": "assistant", "content": ""}) for index in range(generation.n)
            ]
            yield Delta(tuple(chunk_of(choice) for choice in opening), Usage(prompt_tokens, 0))
            for position, spoken in enumerate(said):
                if self.script.fail_after is not None and position >= self.script.fail_after:
                    raise EngineError(502, "The model failed to answer.", code="model_failed")
                await asyncio.sleep(self.script.token_delay)
                last = position == len(said) - 1
                chunks = [
                    self._chunk(index, spoken, finish if last else None, token=position)
                    for index in range(generation.n)
                ]
                usage = Usage(prompt_tokens, (position + 1) * generation.n)
                yield Delta(tuple(chunk_of(choice) for choice in chunks), usage)
            if not said:
                ends = [self._chunk(index, {}, finish) for index in range(generation.n)]
                yield Delta(tuple(chunk_of(choice) for choice in ends), Usage(prompt_tokens, 0))
        finally:
            self._unfinished -= 1

    def _deltas(self, body: Mapping[str, Any], prompt: str) -> list[dict[str, Any]]:
        """What is said, one delta a token: thoughts, then words or calls of tools."""
        thoughts = re.findall(r"\S+\s*", _lookup(self.script.reasoning, prompt, ""))
        return [*({"reasoning": word} for word in thoughts), *self._said(body, prompt)]

    def _said(self, body: Mapping[str, Any], prompt: str) -> list[dict[str, Any]]:
        if calls := self._calls(body, prompt):
            return [delta for index, call in enumerate(calls) for delta in _call_deltas(index, call)]
        words = re.findall(r"\S+\s*", _lookup(self.script.answers, prompt, ""))
        return [{"content": word} for word in words]

    def _calls(self, body: Mapping[str, Any], prompt: str) -> list[SimulatedCall]:
        choice = body.get("tool_choice", "auto")
        if not body.get("tools") or choice == "none":
            return []
        if isinstance(choice, dict):
            name = str(choice["function"]["name"])
            return [SimulatedCall(name=name, arguments=_lookup(self._arguments(name), prompt, "{}"))]
        calls = _lookup(self.script.calls, prompt, [])
        if choice == "required" and not calls:
            calls = [SimulatedCall(name=body["tools"][0]["function"]["name"])]
        return calls[:1] if body.get("parallel_tool_calls") is False else calls

    def _arguments(self, name: str) -> dict[str, str]:
        scripted = self.script.calls.items()
        return {key: call.arguments for key, calls in scripted for call in calls if call.name == name}

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

    @property
    def accepts_tools(self) -> bool:
        return True

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
        index: int, delta: dict[str, Any], finish: str | None = None, token: int | None = None
    ) -> dict[str, object]:
        ids = [] if token is None else [token]
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish, "token_ids": ids}


def _lookup(table: dict[str, T], text: str, default: T) -> T:
    """The entry of the longest key that the text contains."""
    hits = [key for key in table if key.lower() in text.lower()]
    return table[max(hits, key=len)] if hits else default


def _call_deltas(index: int, call: SimulatedCall) -> list[dict[str, Any]]:
    """A call as real parsers stream it: id and name first, then the arguments in pieces."""
    head = {"index": index, "id": f"simulated-{index}", "type": "function", "function": {"name": call.name}}
    pieces = re.findall(r".{1,8}", call.arguments, re.DOTALL)
    parts = [head, *({"index": index, "function": {"arguments": piece}} for piece in pieces)]
    return [{"tool_calls": [part]} for part in parts]


def _texts(body: Mapping[str, Any]) -> list[str]:
    messages = [str(message.get("content") or "") for message in body.get("messages", [])]
    return [*messages, str(body.get("prompt") or "")]
