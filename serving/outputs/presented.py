"""The native model with its answers in the one form that clients see."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from serving.chunks import chunk_of
from serving.judging.protocols import Chunk, Delta, Engine, Generation
from serving.outputs.tool_calls import ToolCalls


class PresentedEngine:
    """Gathers each choice's tool calls into its last chunk.

    They leave whole in any case, since half a tool call can't be judged; gathered, they carry nothing of the
    engine's making but names and arguments.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        """The engine's deltas. Raises EngineError; closing the generator closes the engine's."""
        choices = [_Choice() for _ in range(generation.n)]
        async with aclosing(self._engine.generate(generation)) as deltas:
            async for delta in deltas:
                chunks: list[Chunk] = []
                for chunk in delta.chunks:
                    known = 0 <= chunk.choice < len(choices)
                    chunks += choices[chunk.choice].present(chunk) if known else [chunk]
                yield Delta(tuple(chunks), delta.usage)


class _Choice:
    def __init__(self) -> None:
        self._calls: ToolCalls | None = None

    def present(self, chunk: Chunk) -> list[Chunk]:
        delta: dict[str, Any] = dict(chunk.payload.get("delta") or {})
        deltas = delta.pop("tool_calls", None)
        if deltas:
            self._calls = self._calls or ToolCalls()
            self._calls.add(deltas)
        if self._calls is None:
            return [chunk]
        calls = self._calls.whole() if chunk.finish_reason is not None else []
        rest = chunk_of({**chunk.payload, "delta": delta})
        # A chunk for each call: the SDK's streaming helper expects no two in one.
        return [
            *(_chunk(chunk.choice, {"tool_calls": [call]}) for call in calls),
            replace(rest, tokens=chunk.tokens, tool=bool(deltas)),
        ]


def _chunk(choice: int, delta: dict[str, Any]) -> Chunk:
    return chunk_of({"index": choice, "delta": delta, "logprobs": None, "finish_reason": None})
