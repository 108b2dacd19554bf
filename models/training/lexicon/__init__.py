"""Texts composed of a lexicon: the same sentence with a harmful and with a harmless word in it.

Real comments with labels that may be trained on are scarce in Moroccan Darija, and what a judge lacks there
is vocabulary; and a request to kill somebody and one to kill a process differ in a word. A lexicon states
such words in a form that people can read, check and extend.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from models.stated_error import StatedError
from models.training.examples import Example
from models.training.format import Kind
from models.training.yaml_model import Strict, read_model

FOLDER = Path(__file__).parent
SLOT = "{x}"
_LONGEST_SURROUNDING = 160
"""Characters of a harmless text that a phrase is put beside."""


class LexiconError(StatedError, ValueError):
    """A lexicon is missing or wrong; the message names the field."""


def _with_slot(carrier: str) -> str:
    if carrier.count(SLOT) != 1:
        raise ValueError(f"{carrier!r} needs {SLOT} once")
    return carrier


class Role(Strict):
    """Words that stand in the same place of a sentence, harmful and harmless ones."""

    name: str
    category: str
    carriers: tuple[Annotated[str, AfterValidator(_with_slot)], ...] = Field(min_length=1)
    harmful: tuple[str, ...] = Field(min_length=1)
    harmless: tuple[str, ...] = Field(min_length=1)

    def words(self, unsafe: bool) -> tuple[str, ...]:
        return self.harmful if unsafe else self.harmless


class Lexicon(Strict):
    """The words of one language, for one kind of text. `harmless_sentences` use harmful words harmlessly."""

    lang: str
    kind: Literal[Kind.TEXT, Kind.REQUEST] = Kind.TEXT
    roles: tuple[Role, ...] = Field(min_length=1)
    harmless_sentences: tuple[str, ...] = ()


def lexicon_file(name: str) -> Path:
    return FOLDER / f"{name}.yaml"


def load_lexicon(name: str) -> Lexicon:
    """Read the lexicon of that name. Raises LexiconError."""
    return read_model(Lexicon, lexicon_file(name), LexiconError)


def compose(
    lexicon: Lexicon, count: int, beside: float, surroundings: Sequence[str], rng: random.Random
) -> list[Example]:
    """`count` texts, half of them harmful, every word of the lexicon about equally often.

    A share `beside` of them is a word or phrase before or after one of the harmless `surroundings`; the rest
    are words in the carriers of their role, and the lexicon's own harmless sentences.
    """
    script = is_arabic(lexicon.roles[0].harmful[0])
    near = [text for text in surroundings if len(text) <= _LONGEST_SURROUNDING and is_arabic(text) == script]
    composed = []
    for unsafe, number in ((True, count - count // 2), (False, count // 2)):
        words = _round_and_round(lexicon, unsafe, rng)
        for _ in range(number):
            role, word = next(words)
            if role is None:
                text = word
            elif near and rng.random() < beside:
                alone = _respelled(word, rng) if lexicon.kind is Kind.TEXT else _carried(role, word, rng)
                text = _beside(rng.choice(near).strip(), alone, rng, "، " if script else ", ")
            else:
                text = _carried(role, word, rng)
            composed.append(
                Example(
                    kind=lexicon.kind,
                    text=text,
                    unsafe=unsafe,
                    lang=lexicon.lang,
                    file="lexicon",
                    hazard=role.category if unsafe and role is not None else None,
                )
            )
    return composed


def _round_and_round(lexicon: Lexicon, unsafe: bool, rng: random.Random) -> Iterator[tuple[Role | None, str]]:
    everything: list[tuple[Role | None, str]] = [
        (role, word) for role in lexicon.roles for word in role.words(unsafe)
    ]
    if not unsafe:
        everything += [(None, sentence) for sentence in lexicon.harmless_sentences]
    while True:
        yield from rng.sample(everything, len(everything))


def is_arabic(text: str) -> bool:
    """Whether there is a letter of the Arabic script in it."""
    return any("\u0621" <= letter <= "\u064a" for letter in text)


def _carried(role: Role, word: str, rng: random.Random) -> str:
    return rng.choice(role.carriers).replace(SLOT, _respelled(word, rng))


def _beside(text: str, phrase: str, rng: random.Random, comma: str) -> str:
    if rng.random() < 0.6:
        return text + rng.choice((" ", comma, ". ", " .. ")) + phrase
    return phrase + rng.choice((" ", comma)) + text


def _respelled(word: str, rng: random.Random) -> str:
    """The word as people also type it: without hamza, with ه for ة, with a letter stretched."""
    if rng.random() < 0.25:
        word = word.replace("ة", "ه")
    if rng.random() < 0.25:
        word = word.replace("أ", "ا").replace("إ", "ا")
    if len(word) > 3 and " " not in word and rng.random() < 0.1:
        at = rng.randrange(1, len(word))
        word = word[:at] + word[at - 1] * 2 + word[at:]
    return word
