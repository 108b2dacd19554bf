"""Keeps untrusted text from passing for the plain-text structure of a prompt.

Special tokens are taken care of where segments are encoded. Some families also structure their prompts by
plain text: a name before each turn, marks around the conversation. A line of untrusted text that begins like
a turn is quoted, and marks lose their angle brackets. Compared is what a reader would see: without invisible
characters, compatibility forms folded (Unicode NFKC), in any case.
"""

import unicodedata
from collections.abc import Collection

_BRACKETS = str.maketrans({"<": "‹", ">": "›", "＜": "‹", "＞": "›", "﹤": "‹", "﹥": "›"})


def quoted(text: str, turns: Collection[str], marks: Collection[str] = ()) -> str:
    """The text with forged turns quoted and forged marks defused; any other text as it is.

    `turns` are names that stand before a colon at the start of a line, `marks` what may stand anywhere.
    """
    names = tuple(f"{_seen(turn)}:" for turn in turns)
    forged = tuple(_seen(mark) for mark in marks)
    if any(mark in _seen(text) for mark in forged):
        text = text.translate(_BRACKETS)
    first, *lines = text.splitlines(keepends=True) or [""]
    return first + "".join(f"> {line}" if _begins(line, names) else line for line in lines)


def _begins(line: str, names: tuple[str, ...]) -> bool:
    return _seen(line).startswith(names)


def _seen(text: str) -> str:
    """Folded, and without blanks and characters that do not show."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(
        one for one in folded if not one.isspace() and unicodedata.category(one) not in {"Cf", "Cc", "Mn"}
    )
