"""One choice of an answer: what has arrived from the engine, what has been judged, what may leave."""

import asyncio
from dataclasses import dataclass, field

from serving.judging.protocols import Chunk


@dataclass(frozen=True, slots=True)
class Window:
    """What a check covers: all chunks taken, and the cumulative texts up to and including them."""

    chunks: tuple[Chunk, ...]
    text: str
    tool_text: str
    tokens: int
    finished: bool
    spelled: str = ""
    alternatives: str = ""


@dataclass(slots=True)
class Choice:
    """Held-back chunks of one choice. Chunks enter by `arrive` and leave by `window`, in order, whole.

    Reasoning is judged with the answer, but before all of it: a model may think between two parts of an
    answer, which its reader sees without the thought.
    """

    index: int
    thoughts: str = ""
    said: str = ""
    tool_text: str = ""
    tokens: int = 0
    finished: bool = False
    closed: bool = False
    calling: bool = False
    spelled: str = ""
    alternatives: str = ""
    _held: list[Chunk] = field(default_factory=list)
    _new_tokens: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def text(self) -> str:
        """What is judged as the answer."""
        return self.thoughts + self.said

    def arrive(self, chunk: Chunk) -> None:
        """Hold a chunk back. What comes after the choice was closed (blocked) is only counted."""
        self.tokens += chunk.tokens
        self.finished = self.finished or chunk.finish_reason is not None
        if self.closed:
            return
        if chunk.tool:
            self.calling = True
            self.tool_text += chunk.text
        else:
            self.thoughts += chunk.thought
            self.said += chunk.text.removeprefix(chunk.thought)
        self.spelled += chunk.spelled
        self.alternatives += chunk.alternatives
        self._held.append(chunk)
        self._new_tokens += chunk.tokens
        self._news.set()

    def close(self) -> None:
        """Drop what is held; nothing of this choice leaves any more."""
        self.closed = True
        self._held.clear()

    def hold(self, window: Window) -> None:
        """Put a window back before what has arrived since; the next one covers it again."""
        self._held[:0] = window.chunks

    async def window(self, least: int, whole: bool) -> Window:
        """Take all that is held, once at least `least` tokens are new or the choice is finished.

        `whole` waits for the end. A choice that has begun a tool call is always taken whole, because half a
        tool call can neither be judged nor be released.
        """
        while not self._ready(least, whole):
            self._news.clear()
            await self._news.wait()
        chunks = tuple(self._held)
        self._held.clear()
        self._new_tokens = 0
        texts = (self.text, self.tool_text)
        return Window(chunks, *texts, self.tokens, self.finished, self.spelled, self.alternatives)

    def _ready(self, least: int, whole: bool) -> bool:
        if self.finished:
            return True
        if whole or self.calling or not any(chunk.telling for chunk in self._held):
            return False
        return self._new_tokens >= least
