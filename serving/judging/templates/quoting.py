"""Keeps untrusted text from passing for the plain-text structure of a prompt.

Special tokens are taken care of where segments are encoded. Families also structure their prompts by plain
text: a name before each turn, headings, marks around the conversation, instructions on lines of their own.
A line of untrusted text that begins like one of those is quoted, and marks lose their brackets. That is done
on the copy which the judge reads (`models.spelling`), so that nothing becomes structure after it was looked
for. Compared is what a reader would see: without characters that do not show and combining marks,
compatibility forms folded (Unicode NFKD), in any case.

All untrusted text comes through `quoted`, last of what happens to a text before it is encoded; what is
applied after it must leave `‹`, `›` and `♯` alone, as spelling a text plainly once more does.

Whole texts are never normalised: that sorts each run of combining marks by insertion, and a hostile text
can be one run. Each distinct character is folded once and by itself; as marks are dropped, their order does
not matter.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

from models.spelling.plain import plain_spelling

_BRACKETS = str.maketrans(
    {"<": "‹", ">": "›", "＜": "‹", "＞": "›", "﹤": "‹", "﹥": "›", "≮": "‹", "≯": "›"}
)
_HASHES = str.maketrans({"#": "♯", "＃": "♯", "﹟": "♯"})
_COLONS = dict.fromkeys(("∶", "꞉", "ː", "˸", "։", "׃"), ":")
"""Characters that look like a colon and are none to Unicode."""

_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and a symbol that are blank: the Hangul fillers and the Braille pattern without dots."""

_HIDDEN = frozenset({"Cf", "Cc", "Cn", "Co", "Cs"})
"""Format and control characters; unassigned, private and half ones, which have no glyph of their own."""

_BULLETS = "-*"


@dataclass(frozen=True, slots=True)
class Structure:
    """What a family's prompt says in plain text, so that no text within it can.

    `names` stand before a colon at the start of a line, `marks` anywhere: each holds angle brackets or opens
    with hashes. `lines` is how lines of the prompt begin, behind a bullet or stars if it has some; `whole`
    are lines with nothing else on them.
    """

    names: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


def quoted(text: str, structure: Structure, *, opening: bool = False) -> str:
    """The text, spelled plainly, with forged lines quoted and forged marks defused.

    `opening` says that the text stands at the start of a line; otherwise its first line continues one.
    """
    text = plain_spelling(text)
    folding = _folding(text)
    compared = _compared(structure)
    seen = text.translate(folding)
    for mark, defused in compared.marks:
        if mark in seen:
            text = text.translate(defused)
    if not any(beginning in seen for beginning in compared.beginnings):
        return text
    lines = text.splitlines(keepends=True)
    return "".join(
        f"> {line}" if (number or opening) and compared.forged(line.translate(folding)) else line
        for number, line in enumerate(lines)
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """A structure as it is compared with what is seen of a text."""

    names: tuple[str, ...]
    marks: tuple[tuple[str, dict[int, str]], ...]
    lines: tuple[str, ...]
    whole: tuple[str, ...]

    @property
    def beginnings(self) -> tuple[str, ...]:
        return (*self.names, *self.lines, *self.whole)

    def forged(self, line: str) -> bool:
        return (
            line.startswith(self.names) or line.lstrip(_BULLETS).startswith(self.lines) or line in self.whole
        )


@cache
def _compared(structure: Structure) -> _Compared:
    """There are a few structures in all."""
    return _Compared(
        tuple(_seen(f"{name}:") for name in structure.names),
        tuple((_seen(mark), _HASHES if mark.startswith("#") else _BRACKETS) for mark in structure.marks),
        tuple(_seen(line).lstrip(_BULLETS) for line in structure.lines),
        tuple(_seen(line) for line in structure.whole),
    )


def _seen(own: str) -> str:
    return own.translate(_folding(own))


def _folding(text: str) -> dict[int, str]:
    """What each character of `text` is compared as; looked up once, however often it occurs."""
    return {ord(one): _folded(one) for one in set(text)}


def _folded(one: str) -> str:
    """A character without its case and marks; nothing where it does not show.

    Marks go before and after case: folding it makes a letter of one mark (U+0345), and marks of some letters.
    """
    own = _COLONS.get(one) or unicodedata.normalize("NFKD", one)
    return _shown(_shown(own).casefold())


def _shown(text: str) -> str:
    return "".join(one for one in text if _shows(one))


def _shows(one: str) -> bool:
    """No space, control, format character, mark, blank, or character without a meaning or a glyph."""
    category = unicodedata.category(one)
    return not (one.isspace() or one in _UNSEEN or category[0] == "M" or category in _HIDDEN)
