"""The scripted answers. Every word names its cell, so that a word found anywhere tells whose it is."""

import itertools
import json
import secrets
from dataclasses import dataclass

from benchmarks.conformance.cells import ABSENT, Cell, Channel, Ending
from benchmarks.conformance.placements import PLACEMENTS

_LETTERS = "bcdfghjklmnpqrstvwxz"
"""Without vowels: a key is no part of any word of a gateway's own."""

KEY_LENGTH = 4
_COUNTED = itertools.count(secrets.randbelow(len(_LETTERS) ** KEY_LENGTH))
MARK = "case-"
"""Stands before the cell's key in the prompt, for the scripted model to find its script by."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One delta of a choice. A tool call's name comes first, then its arguments, both as `tool call`."""

    channel: Channel
    text: str
    opens_call: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says, choice by choice. `pace` is seconds between chunks; `dies` breaks off half-way."""

    key: str
    choices: tuple[tuple[Piece, ...], ...]
    pace: float = 0.0
    torn: bool = False
    finish_apart: bool = True
    dies: bool = False

    @property
    def prompt(self) -> str:
        return f"[{MARK}{self.key}] Tell me about the birds of the harbour."

    def sources(self) -> list[str]:
        """The texts that a reader could learn: of each choice, what it says in each channel."""
        texts: list[str] = []
        for choice in self.choices:
            for channel in Channel:
                pieces = [piece for piece in choice if piece.channel is channel]
                opening = [piece.text for piece in pieces if piece.opens_call]
                texts += [*opening, "".join(piece.text for piece in pieces if not piece.opens_call)]
        return [text for text in texts if text]


def answer_for(cell: Cell) -> Answer:
    """Write the script of one cell. The forbidden phrase is in the last choice only; the others are clean."""
    key = _next_key()
    placement = PLACEMENTS[cell.placement]
    choices = []
    for index in range(cell.n):
        name = f"{key}{_LETTERS[index]}"
        words = [_word(name, number) for number in range(placement.words)]
        guilty = index == cell.n - 1
        chunks = placement.chunks(words) if guilty else PLACEMENTS[ABSENT].chunks(words)
        choices.append(_spoken(cell.channel, chunks, name))
    return Answer(
        key,
        tuple(choices),
        pace=0.05 if cell.ending is not Ending.READ else 0.002,
        torn=placement.torn,
        finish_apart=placement.finish_apart,
        dies=cell.ending is Ending.MODEL_DIES,
    )


def _word(name: str, number: int) -> str:
    """Thirteen characters; any thirteen in a row of such words are found at one place only."""
    return f"{name[-1]}{number:03}{name}{number:03} "


def _next_key() -> str:
    number, key = next(_COUNTED), ""
    for _ in range(KEY_LENGTH):
        number, letter = divmod(number, len(_LETTERS))
        key += _LETTERS[letter]
    return key


def _spoken(channel: Channel, chunks: list[str], name: str) -> tuple[Piece, ...]:
    if channel is Channel.TOOL_CALL:
        # A dictionary's text around the chunks: arguments are JSON, and the phrase one of its strings.
        before, after = json.dumps({"note": "\0"}).split("\\u0000")
        arguments = [before, *chunks, after]
        return (
            Piece(channel, f"look_up_{name}", opens_call=True),
            *(Piece(channel, chunk) for chunk in arguments),
        )
    if channel is Channel.REASONING:
        said = [Piece(Channel.CONTENT, _word(name, 900 + number)) for number in range(8)]
        return (*(Piece(channel, chunk) for chunk in chunks), *said)
    return tuple(Piece(channel, chunk) for chunk in chunks)
