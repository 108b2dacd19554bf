"""How many marks stay on a letter: those that its script can need, and no pile of them."""

import unicodedata
from typing import Final

import regex

MARK: Final = regex.compile(r"\p{M}")

_ACCENTED: Final = regex.compile(r"(?V1)([[\p{Latin}&&\p{L}]0-9])(\p{M}+)")
_RUN: Final = regex.compile(r"(?V1)[\p{M}--\ufe0f]{3,}")
_FEW: Final = 2
_MORE: Final = (
    (regex.compile(r"\p{Greek}"), 3),
    (regex.compile(r"[\p{Arabic}\p{Hebrew}]"), 4),
    (
        regex.compile(
            r"(?V1)[\p{L}--[\p{Latin}\p{Cyrillic}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Common}]]"
        ),
        6,
    ),
)


def few_marks(text: str) -> str:
    """The text without piled marks. A mark is decided by what is to its left.

    On a Latin letter a mark stays where Unicode has one character for the letter with the marks that stayed
    before and this one (NFC); on a digit none does. Elsewhere as many of a run stay as the script can need.
    """
    return str(_RUN.sub(_needed, _ACCENTED.sub(_accents, text)))


def _accents(match: "regex.Match[str]") -> str:
    base, marks = match.groups()
    kept, letter = "", base
    for mark in marks:
        composed = unicodedata.normalize("NFC", letter + mark)
        if len(composed) == 1:
            kept, letter = kept + mark, composed
    return f"{base}{kept}"


def _needed(match: "regex.Match[str]") -> str:
    base = match.string[match.start() - 1] if match.start() else ""
    most = next((most for script, most in _MORE if script.match(base)), _FEW)
    return str(match.group()[:most])
