"""Keeps untrusted text from passing for the plain-text structure of a prompt.

Special tokens are taken care of where segments are encoded. Some families also structure their prompts by
plain text: a name before each turn, marks around the conversation. A line of untrusted text that begins like
a turn is quoted, and marks lose their angle brackets. Compared is what a reader would see: without invisible
characters and combining marks, compatibility forms folded (Unicode NFKD), in any case.

Whole texts are never normalised: that sorts each run of combining marks by insertion, and a hostile text
can be one run. Each distinct character is folded once and by itself; as marks are dropped, their order does
not matter.
"""

import unicodedata
from collections.abc import Collection
from functools import cache

_BRACKETS = str.maketrans(
    {"<": "‹", ">": "›", "＜": "‹", "＞": "›", "﹤": "‹", "﹥": "›", "≮": "‹", "≯": "›"}
)


def quoted(text: str, turns: Collection[str], marks: Collection[str] = ()) -> str:
    """The text with forged turns quoted and forged marks defused; any other text as it is.

    `turns` are names that stand before a colon at the start of a line, `marks` what may stand anywhere.
    """
    folding = _folding(text)
    names = tuple(f"{_name(turn)}:" for turn in turns)
    seen = text.translate(folding)
    if any(_name(mark) in seen for mark in marks):
        text = text.translate(_BRACKETS)
    if not any(name in seen for name in names):
        return text
    first, *lines = text.splitlines(keepends=True) or [""]
    return first + "".join(
        f"> {line}" if line.translate(folding).startswith(names) else line for line in lines
    )


@cache
def _name(own: str) -> str:
    """A turn's name or a mark as it is compared; there are a few in all."""
    return own.translate(_folding(own))


def _folding(text: str) -> dict[int, str]:
    """What each character of `text` is compared as; looked up once, however often it occurs."""
    return {ord(one): _folded(one) for one in set(text)}


def _folded(one: str) -> str:
    """A character without its case and marks; nothing where it does not show.

    Marks go before and after case: folding it makes a letter of one mark (U+0345), and marks of some letters.
    """
    return _shown(_shown(unicodedata.normalize("NFKD", one)).casefold())


def _shown(text: str) -> str:
    return "".join(one for one in text if _shows(one))


def _shows(one: str) -> bool:
    category = unicodedata.category(one)
    return not (one.isspace() or category in {"Cf", "Cc"} or category.startswith("M"))
