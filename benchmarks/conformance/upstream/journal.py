"""What the scripted judge was shown and what it said: the suite's own record, whatever the gateway claims."""

import time
import unicodedata
from dataclasses import dataclass, field

from benchmarks.conformance.placements import PHRASES


@dataclass(frozen=True, slots=True)
class Judged:
    """One text, and when the judge said that it passes (seconds, monotonic)."""

    text: str
    at: float


@dataclass(slots=True)
class Journal:
    """Texts that the judge has passed. A verdict counts only when it was given completely."""

    passed: list[Judged] = field(default_factory=list)
    calls: int = 0

    def note_passed(self, text: str) -> None:
        self.passed.append(Judged(text, time.monotonic()))

    def passed_for(self, key: str) -> list[Judged]:
        """What has passed of one cell; every word of a cell carries its key."""
        return [judged for judged in self.passed if key in judged.text]


def forbidden(text: str) -> bool:
    """Whether a text contains a forbidden phrase, however it is written."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return any(phrase in plain for phrase in PHRASES)
