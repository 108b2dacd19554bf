"""The native model with its answers in the one form that clients see."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from serving.chunks import chunk_of
from serving.judging.policy import Reasoning
from serving.judging.protocols import Chunk, Delta, Engine, Generation
from serving.outputs.logprobs import Logprobs
from serving.outputs.tool_calls import ToolCalls

_REASONING = ("reasoning", "reasoning_content")


class PresentedEngine:
    """Takes over what clients may see of an engine's chunks, each part in one form.

    Tool calls are gathered into a choice's last chunks: they leave whole in any case, since half a tool call
    can't be judged. Reasoning has one name, or is dropped. Log-probabilities never name what is not said.
    """

    def __init__(self, engine: Engine, reasoning: Reasoning = Reasoning.RELEASE) -> None:
        self._engine = engine
        self._reasoning = reasoning

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        """The engine's deltas. Raises EngineError; closing the generator closes the engine's."""
        choices = [_Choice(self._reasoning) for _ in range(generation.n)]
        async with aclosing(self._engine.generate(generation)) as deltas:
            async for delta in deltas:
                chunks: list[Chunk] = []
                for chunk in delta.chunks:
                    known = 0 <= chunk.choice < len(choices)
                    chunks += choices[chunk.choice].present(chunk) if known else [chunk]
                yield Delta(tuple(chunks), delta.usage)


class _Choice:
    def __init__(self, reasoning: Reasoning) -> None:
        self._reasoning = reasoning
        self._calls: ToolCalls | None = None
        self._logprobs = Logprobs()

    def present(self, chunk: Chunk) -> list[Chunk]:
        delta: dict[str, Any] = dict(chunk.payload.get("delta") or {})
        calls = self._gather(delta.pop("tool_calls", None), last=chunk.finish_reason is not None)
        thought = "".join(str(delta.pop(name, None) or "") for name in _REASONING)
        hidden = 0
        if thought and self._reasoning is Reasoning.RELEASE:
            delta["reasoning_content"] = thought
        elif thought and not delta.get("content"):
            hidden = chunk.tokens
        named = self._named(chunk, delta, bool(thought) or bool(chunk.tool))
        rest = chunk_of({**chunk.payload, "delta": delta, "logprobs": None})
        # The text of what is named has been put out, here or before: it is not judged once more.
        rest.payload["logprobs"] = {"content": named} if named else None
        # A chunk for each call: the SDK's streaming helper expects no two in one.
        return [
            *(_chunk(chunk.choice, {"tool_calls": [call]}) for call in calls),
            # What is said in the chunk that begins a call belongs to the answer, and is judged as its end.
            replace(rest, tokens=chunk.tokens - hidden, hidden=hidden, tool=chunk.tool and not rest.text),
        ]

    def _gather(self, deltas: list[dict[str, Any]] | None, last: bool) -> list[dict[str, Any]]:
        if deltas:
            self._calls = self._calls or ToolCalls()
            self._calls.add(deltas)
        return self._calls.whole() if last and self._calls is not None else []

    def _named(self, chunk: Chunk, delta: dict[str, Any], other: bool) -> list[dict[str, Any]]:
        logprobs = chunk.payload.get("logprobs") or {}
        content = str(delta.get("content") or "")
        if other and not content:
            self._logprobs.skip()
            return []
        return self._logprobs.align(content, logprobs.get("content") or [])


def _chunk(choice: int, delta: dict[str, Any]) -> Chunk:
    return chunk_of({"index": choice, "delta": delta, "logprobs": None, "finish_reason": None})
