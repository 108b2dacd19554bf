"""Long texts to train on: windows of documents, some of which hide something harmful.

A judge that reads short texts only finds a harmful sentence harmless once enough harmless ones stand around
it. Serving puts a long text to the judge in pieces (`LONGEST` in `models.training.format`), and what this
module composes is such pieces: cut anywhere, of a document or of texts in a row, as a request, an answer or
a text, and also as what was said before a short request.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from models.training.examples import Example
from models.training.format import Kind, Turn
from models.training.lexicon import is_arabic

DOCUMENTS = "documents"
"""File of whole harmless documents, of which windows are cut."""

COMPOSED = "document"
"""How examples of this module are marked, as what was done to them."""

_WORDS = {"en": (60, 190), "fr": (60, 180), "ar": (50, 130), "ary": (45, 105)}
"""Words of a window, by language: at most about as many tokens as a piece has."""

_NOISY = ("mlma-", "davidson-")
"""Files whose labels are too often wrong for a text that is made of many of their rows."""

_LONGEST_HIDDEN = 60
"""Words of a harmful text that is hidden, so that a piece's overlap holds it whole."""

_TASKS = {
    "en": (
        "Summarise the following text:",
        "Translate this into French:",
        "Correct the spelling:",
        "What are the main points of this?",
        "Make a table of this:",
        "Reply to this e-mail:",
    ),
    "fr": (
        "Résume le texte suivant :",
        "Traduis ceci en anglais :",
        "Corrige les fautes :",
        "Quels sont les points importants ?",
        "Fais un tableau de ceci :",
        "Réponds à ce mail :",
    ),
    "ar": (
        "لخص النص التالي:",
        "ترجم هذا إلى الفرنسية:",
        "صحح الأخطاء:",
        "ما أهم النقاط في هذا النص؟",
        "اكتب جواباً على هذه الرسالة:",
    ),
    "ary": (
        "لخص ليا هاد النص:",
        "ترجم ليا هادشي للفرنسية:",
        "lkhes liya had lktba:",
        "chno homa noqat lmohimma f hadchi?",
        "jaweb 3la had lmessage:",
    ),
}
_SENTENCE = re.compile(r"(?<=[.!?؟…\n])\s+")


@dataclass(frozen=True, slots=True)
class _Harmless:
    """Harmless rows of one kind and language: all, documents, short ones, and by whether they are Arabic."""

    rows: list[Example]
    documents: list[Example]
    short: list[Example]
    by_script: dict[bool, list[Example]]

    @classmethod
    def of(cls, rows: list[Example]) -> Self:
        by_script: dict[bool, list[Example]] = {True: [], False: []}
        for row in rows:
            by_script[is_arabic(row.text)].append(row)
        documents = [row for row in rows if row.file == DOCUMENTS]
        short = [row for row in rows if row.file != DOCUMENTS and len(row.text) < 300]
        return cls(rows, documents, short or rows, by_script)


def compose_documents(
    rows: Sequence[Example], count: int, hidden: float, rng: random.Random, pieces: int = 1
) -> list[Example]:
    """`count` windows made of `rows`, a share `hidden` of them with a harmful row of the same kind inside.

    A window is as long as so many pieces at most. Three of six are requests, one is an answer, one a text,
    and one is a short request, harmful or not, that follows on a document. Languages are drawn equally often
    where they have rows; a window whose kind has no rows in its language is left out.
    """
    langs = [lang for lang in _WORDS if any(row.lang == lang and not row.unsafe for row in rows)]
    every = [(kind, lang) for kind in Kind for lang in langs]
    harmful_rows = {(kind, lang): _usable(rows, kind, lang, unsafe=True) for kind, lang in every}
    pools = {(kind, lang): _Harmless.of(_usable(rows, kind, lang, unsafe=False)) for kind, lang in every}
    composed: list[Example] = []
    for number in range(count if langs else 0):
        lang = rng.choice(langs)
        kind = (Kind.REQUEST, Kind.REQUEST, Kind.REQUEST, Kind.REQUEST, Kind.ANSWER, Kind.TEXT)[number % 6]
        harmless = pools[kind, lang]
        harmful = harmful_rows[kind, lang if rng.random() < 0.85 else rng.choice(langs)]
        if not harmless.rows or not harmful:
            continue
        unsafe = rng.random() < hidden
        words = _window(harmless, lang, pieces, rng)
        if number % 6 == 3:
            composed.append(_after(words, rng.choice(harmful if unsafe else harmless.short), lang, rng))
            continue
        example = rng.choice(harmless.rows)
        hazard = None
        if unsafe:
            found = rng.choice(harmful)
            words, hazard = _hide(found.text, words, rng), found.hazard
        if kind is Kind.REQUEST and rng.random() < 0.3:
            words = _with_task(words, lang, rng)
        context = example.context if kind is Kind.ANSWER else ()
        composed.append(
            replace(
                example,
                kind=kind,
                text=words,
                context=context,
                unsafe=unsafe,
                hazard=hazard,
                augmented=(COMPOSED,),
            )
        )
    return composed


def is_after(example: Example) -> bool:
    """Whether it is a short request that follows on a document."""
    return example.kind is Kind.REQUEST and any(turn.role == "assistant" for turn in example.context)


def _usable(rows: Sequence[Example], kind: Kind, lang: str, unsafe: bool) -> list[Example]:
    """Rows of a kind that a window may be made of; documents serve every kind, harmful rows are short."""
    found = [
        row
        for row in rows
        if row.lang == lang
        and row.unsafe == unsafe
        and not row.file.startswith(_NOISY)
        and (row.kind is kind or (row.file == DOCUMENTS and not unsafe))
    ]
    if unsafe:
        return [row for row in found if 3 <= len(row.text.split()) <= _LONGEST_HIDDEN]
    return found


def _window(harmless: _Harmless, lang: str, pieces: int, rng: random.Random) -> str:
    """A part of a document, or texts in a row, cut anywhere."""
    least, most = _WORDS[lang]
    wanted = rng.randint(least, most * pieces)
    if harmless.documents and rng.random() < 0.6:
        text = rng.choice(harmless.documents).text
    else:
        separator = rng.choice(("\n", "\n\n", " ", "\n- "))
        texts = [rng.choice(harmless.rows).text.strip()]
        alike = harmless.by_script[is_arabic(texts[0])]
        while sum(len(text.split()) for text in texts) < wanted * 1.3:
            texts.append(rng.choice(alike).text.strip())
        text = separator.join(texts)
    words = re.split(r"(?<=\s)(?=\S)", text)
    start = rng.randint(0, max(0, len(words) - wanted)) if rng.random() < 0.8 else 0
    return "".join(words[start : start + wanted]).strip()


def _hide(harmful: str, text: str, rng: random.Random) -> str:
    """The text with the harmful one between two of its sentences, or at either end."""
    places = [0, len(text), *(match.end() for match in _SENTENCE.finditer(text))]
    at = rng.choice(places)
    before, after = text[:at].rstrip(), text[at:].lstrip()
    separator = rng.choice(("\n", "\n\n", " "))
    return separator.join(part for part in (before, harmful.strip(), after) if part)


def _with_task(text: str, lang: str, rng: random.Random) -> str:
    task = rng.choice(_TASKS[lang])
    return f"{task}\n\n{text}" if rng.random() < 0.7 else f"{text}\n\n{task.rstrip(':')}"


def _after(document: str, judged: Example, lang: str, rng: random.Random) -> Example:
    """The judged request as what is asked next, after a document and a word about it."""
    before = (
        Turn("user", _with_task(document, lang, rng)),
        Turn("assistant", " ".join(document.split()[: rng.randint(8, 30)])),
    )
    system = tuple(turn for turn in judged.context if turn.role == "system")
    return replace(judged, context=(*system, *before), augmented=(COMPOSED,))
