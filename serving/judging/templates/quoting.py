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
    seen = _seen(text)
    if any(_seen(mark) in seen for mark in marks):
        text = text.translate(_BRACKETS)
    if not any(name in seen for name in names):
        return text
    first, *lines = text.splitlines(keepends=True) or [""]
    return first + "".join(f"> {line}" if _seen(line).startswith(names) else line for line in lines)


def _seen(text: str) -> str:
    """Folded, and without blanks and characters that do not show.

    Which those are is looked up once for each character that occurs: texts can be long, and every check reads
    them again.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    unseen = [one for one in set(folded) if one.isspace() or unicodedata.category(one) in {"Cf", "Cc", "Mn"}]
    return folded.translate(dict.fromkeys(map(ord, unseen)))
