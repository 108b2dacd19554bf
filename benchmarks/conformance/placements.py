"""Where the forbidden phrase stands in an answer, and how the model's chunks cut it."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.conformance.cells import ABSENT, WHOLE

FORBIDDEN = "zarzour kanari"
FORBIDDEN_ARABIC = "زرزور كناري"
PHRASES = (FORBIDDEN, FORBIDDEN_ARABIC)
"""What the scripted judge flags: harmless words that no gateway's own text contains."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How the words of an answer become chunks. `torn` sends the bytes of the stream in pieces of five, so
    that network reads end inside characters and events; `finish_apart` sends the finish reason after the
    last text instead of with it."""

    chunks: Callable[[list[str]], list[str]]
    words: int = 24
    torn: bool = False
    finish_apart: bool = True


def _inserted(phrase: str, at: float) -> Callable[[list[str]], list[str]]:
    """The phrase, word by word, after the share `at` of the words."""

    def chunks(words: list[str]) -> list[str]:
        index = round(len(words) * at)
        return [*words[:index], *(f"{word} " for word in phrase.split()), *words[index:]]

    return chunks


def _cut(phrase: str, at: int) -> Callable[[list[str]], list[str]]:
    def chunks(words: list[str]) -> list[str]:
        middle = len(words) // 2
        return [*words[:middle], phrase[:at], f"{phrase[at:]} ", *words[middle:]]

    return chunks


def _characters(phrase: str) -> Callable[[list[str]], list[str]]:
    def chunks(words: list[str]) -> list[str]:
        middle = len(words) // 2
        return [*words[:middle], *phrase, " ", *words[middle:]]

    return chunks


def _at_word(phrase: str, index: int) -> Callable[[list[str]], list[str]]:
    """The first word of the phrase is chunk number `index`, counted from 1."""
    return lambda words: [*words[: index - 1], *(f"{word} " for word in phrase.split()), *words[index - 1 :]]


def _one_chunk(words: list[str]) -> list[str]:
    return ["".join(_inserted(FORBIDDEN, 0.5)(words))]


PLACEMENTS: dict[str, Placement] = {
    ABSENT: Placement(list),
    WHOLE: Placement(_inserted(FORBIDDEN, 0.5)),
    **{f"cut after {at}": Placement(_cut(FORBIDDEN, at)) for at in range(1, len(FORBIDDEN))},
    "by characters": Placement(_characters(FORBIDDEN)),
    "all in one chunk": Placement(_one_chunk),
    "first": Placement(_inserted(FORBIDDEN, 0)),
    "last": Placement(_inserted(FORBIDDEN, 1)),
    "last, with the finish": Placement(_inserted(FORBIDDEN, 1), finish_apart=False),
    **{
        # Tails of every length after windows of 8 and then 4 tokens, and after every fifth chunk.
        f"last of {words + 2}": Placement(_inserted(FORBIDDEN, 1), words=words, finish_apart=False)
        for words in range(6, 12)
    },
    "far": Placement(_inserted(FORBIDDEN, 0.9), words=260),
    "across 200 tokens": Placement(_at_word(FORBIDDEN, 200), words=220),
    "across 8 tokens": Placement(_at_word(FORBIDDEN, 8)),
    "Arabic": Placement(_inserted(FORBIDDEN_ARABIC, 0.5)),
    "Arabic, by characters": Placement(_characters(FORBIDDEN_ARABIC)),
    "Arabic, torn bytes": Placement(_characters(FORBIDDEN_ARABIC), torn=True),
    "long, absent": Placement(list, words=260),
    "long, slow": Placement(_inserted(FORBIDDEN, 0.9), words=260),
}

SPLITS = tuple(name for name in PLACEMENTS if name not in {ABSENT, WHOLE, "long, absent", "long, slow"})
"""The placements of the section on chunk splits."""
