"""Cheap variations, so that the judge looks at what a text says rather than at how it is typed."""

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from models.training.examples import Example
from models.training.format import Kind, Turn

_ARABIC_MARKS = re.compile("[\u064b-\u0652\u0640]")


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f"))


def _typed(text: str, rng: random.Random) -> str:
    """One way of typing the same text: case, accents, punctuation."""
    way = rng.randrange(5)
    if way == 0:
        return text.lower()
    if way == 1:
        return text.upper()
    if way == 2:
        return _without_accents(_ARABIC_MARKS.sub("", text))
    if way == 3:
        return text.rstrip(" .!?؟…") or text
    return text.rstrip() + rng.choice(["!", "!!", " ?", "...", "\n", " ;)"])


def _truncated(example: Example, rng: random.Random) -> Example:
    """An answer while it is still growing. What is wrong with a harmful one shows after its opening."""
    words = example.text.split(" ")
    least = 0.5 if example.unsafe else 0.1
    keep = max(3, round(len(words) * rng.uniform(least, 1.0)))
    return replace(example, text=" ".join(words[:keep]), augmented=(*example.augmented, "truncated"))


def vary(example: Example, rng: random.Random, typing: float, truncation: float, as_text: float) -> Example:
    """Apply each variation with its probability."""
    if example.kind is Kind.ANSWER and rng.random() < truncation:
        example = _truncated(example, rng)
    if rng.random() < typing:
        example = replace(example, text=_typed(example.text, rng), augmented=(*example.augmented, "typed"))
    if example.kind is not Kind.ANSWER and not example.context and rng.random() < as_text:
        other = Kind.TEXT if example.kind is Kind.REQUEST else Kind.REQUEST
        example = replace(example, kind=other, augmented=(*example.augmented, "kind"))
    return example


def embed(example: Example, harmless: list[Example], rng: random.Random) -> Example:
    """The text among harmless ones of its language and kind: its label does not change, its length does."""
    around = rng.sample(harmless, k=min(len(harmless), rng.randint(1, 3)))
    pieces = [other.text for other in around]
    pieces.insert(rng.randint(0, len(pieces)), example.text)
    joined = rng.choice([" ", "\n", "\n\n"]).join(piece.strip() for piece in pieces)
    return replace(example, text=joined, augmented=(*example.augmented, "embedded"))


def in_conversation(
    example: Example, systems: Sequence[str], exchanges: Sequence[Example], rng: random.Random
) -> Example:
    """The example later in a conversation: after a system prompt, a harmless exchange, or both.

    Without it the judge would learn that a system prompt announces an attack, as the public rows that have
    one are all attacks.
    """
    before: tuple[Turn, ...] = ()
    choice = rng.randrange(3)
    if choice != 1 and not (example.context and example.context[0].role == "system"):
        before = (Turn("system", rng.choice(systems)),)
    if choice != 0 and exchanges:
        earlier = rng.choice(exchanges)
        answer = " ".join(earlier.text.split(" ")[:40])
        before = (
            *before,
            *(turn for turn in earlier.context if turn.role == "user"),
            Turn("assistant", answer),
        )
    system = tuple(turn for turn in example.context if turn.role == "system")
    rest = tuple(turn for turn in example.context if turn.role != "system")
    return replace(example, context=(*system, *before, *rest), augmented=(*example.augmented, "conversation"))
