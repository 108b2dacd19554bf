"""Training examples: what is judged, in which context, and the answer."""

import re
from dataclasses import dataclass, field

from models.training.format import Kind, Part, Turn, render
from models.training.hazards import hazard_of
from models.training.rows import Row

_KINDS = {"prompt": Kind.REQUEST, "response": Kind.ANSWER, "comment": Kind.TEXT}


@dataclass(frozen=True, slots=True)
class Example:
    """One question to the judge with its true answer.

    `hazard` is what an unsafe text speaks of, where that is known. `better` is the answer that people found
    less harmful than `text`: such an example of a pair has no true answer of its own.
    """

    kind: Kind
    text: str
    unsafe: bool
    context: tuple[Turn, ...] = ()
    lang: str = ""
    file: str = ""
    id: str = ""
    augmented: tuple[str, ...] = field(default=())
    hazard: str | None = None
    better: str | None = None

    def parts(self) -> tuple[Part, ...]:
        return render(self.kind, self.context, self.text)

    def better_parts(self) -> tuple[Part, ...] | None:
        return None if self.better is None else render(self.kind, self.context, self.better)


def from_row(row: Row) -> Example:
    """An example of a labelled row; a `prompt` beside a user's request is its system prompt."""
    context: tuple[Turn, ...] = ()
    if row.prompt:
        role = {"prompt": "system", "response": "user", "comment": "user"}[row.kind]
        context = (Turn(role, row.prompt),)
    return Example(
        kind=_KINDS[row.kind],
        text=row.text,
        unsafe=row.label == "unsafe",
        context=context,
        lang=row.lang,
        file=row.file,
        id=row.id,
        hazard=hazard_of(row),
    )


def from_pair(row: Row) -> Example:
    """An example of a `pair` row: two answers to the last turn of a transcript."""
    return Example(
        kind=Kind.ANSWER,
        text=row.text,
        unsafe=True,
        context=_transcript(row.prompt or ""),
        lang=row.lang,
        file=row.file,
        id=row.id,
        better=row.chosen,
    )


def _transcript(text: str) -> tuple[Turn, ...]:
    """The turns of `Human: …` and `Assistant: …`, as HH-RLHF writes them."""
    pieces = re.split(r"(?:^|\n\n)(Human|Assistant): ?", text)
    roles = {"Human": "user", "Assistant": "assistant"}
    return tuple(
        Turn(roles[name], said.strip())
        for name, said in zip(pieces[1::2], pieces[2::2], strict=True)
        if said.strip()
    )
