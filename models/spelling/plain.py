"""The copy of an untrusted text that a judge reads; what a client or a model gets is never changed.

A judge is fooled by spellings that a person or a larger model sees through: characters that do not show
between the letters, letters of other alphabets and in other forms, marks piled on letters. They are undone,
in this order:

1. Characters by themselves (`characters.py`): what does not show goes, tag characters become the ASCII they
   stand for, letters and digits in compatibility forms, circles, squares and small capitals become plain.
2. Joiners stay after two Arabic letters (Persian and Urdu words need them) and in emoji only.
3. The stroke that lengthens Arabic words (tatweel) goes where it follows a letter.
4. Marks drawn over or around letters go: struck-out text is read as text.
5. Cyrillic and Greek letters that look like Latin ones become these where a Latin letter is before them.
6. Of marks on a Latin letter those stay that make one character with it (é, ệ), on a digit none. Of marks in
   a row on other letters as many stay as the script can need (`marks.py`): two, three on Greek letters
   (decomposed polytonic Greek), four on Arabic and Hebrew ones (pointed texts), six in scripts whose vowels
   are marks.

What has been read stays read: the copy of a text begins with the copy of each of the text's beginnings, since
characters are decided by what is to their left. Streamed answers are judged as growing texts, and the judge's
cache of prefixes depends on it. The copy of a copy is the copy.

What cannot be undone for that reason, and stays as it is written:

- A word that *begins* with a letter of another alphabet: only what follows would tell it from Russian or
  Greek.
- Text reversed by direction controls: their end is not known before it is there, and what is shown first
  comes last. The controls go, the letters stay in the order they are sent in.
- A joiner after each second letter of an Arabic word, which may as well be Persian.

Leet, spaced letters, flags that spell, accents (composed, or up to the marks that stay above) and forms
without a relation in Unicode (upside-down letters, say) are left to the judge.
"""

from typing import Final

import regex

from models.spelling.characters import JOINERS, plain_characters
from models.spelling.look_alikes import FOREIGN
from models.spelling.marks import MARK, few_marks

_ASCII_CONTROLS: Final = regex.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_EMOJI: Final = r"\p{Extended_Pictographic}"
_LOOSE_JOINERS: Final = regex.compile(
    r"(?V1)(?<![\p{Arabic}&&\p{L}]{2})\u200c"
    rf"|(?<![\p{{Arabic}}&&\p{{L}}]{{2}}|{_EMOJI}\ufe0f?|\p{{Emoji_Modifier}})\u200d"
    rf"|(?<!{_EMOJI})\ufe0f"
)
_TATWEEL: Final = regex.compile(r"(?V1)(?<=[[\p{Arabic}&&\p{L}]\p{M}])\u0640+")
_OVERLAYS: Final = (
    r"\u0334-\u0338\u0488\u0489\u1abe\u20d2\u20d3\u20d8-\u20da\u20dd-\u20e0\u20e2-\u20e6\u20ea\u20eb"
)
_STRUCK: Final = regex.compile(rf"(?<=[\w\p{{M}}])[{_OVERLAYS}]+")
_FOREIGN_LETTERS: Final = "".join(map(chr, FOREIGN))
_MIXED: Final = regex.compile(rf"(?V1)[\p{{Latin}}&&\p{{L}}]\p{{M}}*+(?:[{_FOREIGN_LETTERS}]\p{{M}}*+)+")


def plain_spelling(text: str) -> str:
    """The text in plain letters. Takes time linear in the text's length.

    For all texts `plain_spelling(a + b).startswith(plain_spelling(a))`, and doing it twice changes nothing.
    """
    if text.isascii():
        return str(_ASCII_CONTROLS.sub("", text))
    plain = plain_characters()
    if not plain.keys().isdisjoint(map(ord, set(text))):
        text = text.translate(plain)
    return _in_context(text, set(text))


def _in_context(text: str, characters: set[str]) -> str:
    """Steps two to six. `characters` are those of the text: a step that it has no use for costs nothing."""
    if characters & JOINERS:
        text = _LOOSE_JOINERS.sub("", text)
    if "\u0640" in characters:
        text = _TATWEEL.sub("", text)
    marked = MARK.search("".join(characters)) is not None
    if marked:
        text = _STRUCK.sub("", text)
    if not characters.isdisjoint(_FOREIGN_LETTERS):
        text = _MIXED.sub(lambda match: match.group().translate(FOREIGN), text)
    if marked:
        text = few_marks(text)
    return text
