"""Compares what the client saw with what the judge had passed by then."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.transcript import Transcript
from benchmarks.conformance.upstream.journal import Judged, forbidden

_LEAST = 13
"""Characters that must be found together. An answer's words have as many: no other place has the same."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`unjudged`: characters of the answer that arrived without a verdict that passed them before.
    `forbidden`: whether the whole phrase was to be read. `shares`: how much of each source was seen."""

    unjudged: int
    forbidden: bool
    shares: tuple[float, ...]

    @property
    def complete(self) -> bool:
        return all(share == 1 for share in self.shares)


def examine(answer: Answer, transcript: Transcript, passed: Sequence[Judged]) -> Evidence:
    """The finding on one exchange. `passed` are the texts that the judge passed, of this cell."""
    unjudged = 0
    shares = []
    for source in answer.sources():
        seen = _seen(source, transcript)
        covered = _covered(source, passed)
        unjudged += sum(
            covered[position] is None or (covered[position] or 0.0) > at
            for position, at in enumerate(seen)
            if at is not None and not source[position].isspace()
        )
        said = [at for position, at in enumerate(seen) if not source[position].isspace()]
        shares.append(sum(at is not None for at in said) / max(len(said), 1))
    spelled = any(forbidden(stretch.text) for stretch in transcript.stretches.values())
    return Evidence(unjudged, spelled, tuple(shares))


def _seen(source: str, transcript: Transcript) -> list[float | None]:
    """When the client first had each character of the source."""
    seen: list[float | None] = [None] * len(source)
    for stretch in transcript.stretches.values():
        for start, at, length in _common(source, stretch.text):
            for offset in range(length):
                arrived = stretch.arrived(at + offset)
                before = seen[start + offset]
                seen[start + offset] = arrived if before is None else min(before, arrived)
    return seen


def _covered(source: str, passed: Sequence[Judged]) -> list[float | None]:
    """When the judge first passed a text with each character of the source in it."""
    covered: list[float | None] = [None] * len(source)
    for judged in sorted(passed, key=lambda one: one.at):
        for start, _, length in _common(source, judged.text):
            for position in range(start, start + length):
                if covered[position] is None:
                    covered[position] = judged.at
    return covered


def _common(source: str, text: str) -> Iterator[tuple[int, int, int]]:
    """Stretches of the source that the text contains: start in the source, start in the text, length."""
    start = 0
    while start < len(source):
        length = _LEAST
        at = text.find(source[start : start + length])
        if at < 0 or start + length > len(source):
            start += 1
            continue
        # Doubling, then halving: the longest stretch from here in a dozen searches.
        step = 64
        while step:
            longer = text.find(source[start : start + length + step])
            if longer >= 0 and start + length + step <= len(source):
                at, length = longer, length + step
            else:
                step //= 2
        yield start, at, length
        start += length
