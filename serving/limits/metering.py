"""Counts what one request really takes of the native model, however it ends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from serving.judging.protocols import Delta, Engine, EngineError, Generation, Usage


class Meter:
    """The native engine of one request. Several generations, as in a repair, add up."""

    def __init__(self, engine: Engine, prompt_tokens: int) -> None:
        """`prompt_tokens` stands in for a prompt that the engine has not counted yet."""
        self._engine = engine
        self._prompt_tokens = prompt_tokens
        self._last: dict[int, int] = {}

    @property
    def tokens(self) -> int:
        """Tokens so far, prompts and answers together."""
        return sum(self._last.values())

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        number = len(self._last)
        # A client that leaves at once has made the model read its prompt all the same.
        self._last[number] = self._prompt_tokens
        counted, generated = Usage(), 0
        try:
            async with aclosing(self._engine.generate(generation)) as deltas:
                async for delta in deltas:
                    counted = delta.usage
                    generated += sum(chunk.tokens for chunk in delta.chunks)
                    self._last[number] = (counted.prompt_tokens or self._prompt_tokens) + max(
                        counted.completion_tokens, generated
                    )
                    yield delta
        except EngineError:
            if counted == Usage():
                self._last[number] = 0  # refused before any work was done
            raise
