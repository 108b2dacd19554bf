"""What the client received, when, and how it ended; nothing of it is trusted to be well-formed."""

import time
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any


class End(StrEnum):
    """How reading ended."""

    COMPLETE = "complete"
    CUT = "cut off"
    SILENT = "no end in time"
    LEFT = "the client left"


@dataclass(slots=True)
class Stretch:
    """One field of the answer as it grew: the text so far, and up to which length it was there when."""

    text: str = ""
    arrivals: list[tuple[int, float]] = field(default_factory=list)

    def add(self, text: str, at: float) -> None:
        self.text += text
        self.arrivals.append((len(self.text), at))

    def arrived(self, position: int) -> float:
        """When the character at `position` was there (seconds, monotonic)."""
        return self.arrivals[bisect_right(self.arrivals, (position, inf))][1]


@dataclass(slots=True)
class Transcript:
    """Every string that the client saw, by its place in the answer; a stream's deltas are joined."""

    status: int = 0
    end: End = End.CUT
    stretches: dict[tuple[str, ...], Stretch] = field(default_factory=dict)
    finish_reasons: set[str] = field(default_factory=set)
    judgement: bool = False
    error: str = ""
    done: bool = False

    def take(self, event: Any, at: float | None = None) -> None:
        """Note an object: the body of an answer, or one event of a stream."""
        at = time.monotonic() if at is None else at
        if isinstance(event, dict):
            self.judgement = self.judgement or isinstance(event.get("judgement"), dict)
            if event.get("error"):
                self.error = str(event["error"])[:200]
        self._walk((), event, at)

    def take_headers(self, headers: dict[str, str]) -> None:
        at = time.monotonic()
        for name, value in headers.items():
            self._add(("header", name), value, at)

    @property
    def saw_anything(self) -> bool:
        return any(path[-1] in _SPEAKING for path, stretch in self.stretches.items() if stretch.text)

    def _walk(self, path: tuple[str, ...], value: Any, at: float) -> None:
        if isinstance(value, str):
            if path and path[-1] == "finish_reason":
                self.finish_reasons.add(value)
            self._add(path, value, at)
        elif isinstance(value, dict):
            for name, item in value.items():
                self._walk((*path, str(name)), item, at)
        elif isinstance(value, list):
            for position, item in enumerate(value):
                # Choices and calls are known by their index, whatever their place in the list.
                index = item.get("index", position) if isinstance(item, dict) else position
                self._walk((*path, str(index)), item, at)

    def _add(self, path: tuple[str, ...], text: str, at: float) -> None:
        if text:
            self.stretches.setdefault(path, Stretch()).add(text, at)


_SPEAKING = {"content", "text", "reasoning_content", "reasoning", "refusal", "arguments", "name"}
