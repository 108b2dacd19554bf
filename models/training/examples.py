"""Training examples: what is judged, in which context, and the answer."""

from dataclasses import dataclass, field

from models.training.format import Kind, Part, Turn, render
from models.training.rows import Row

_KINDS = {"prompt": Kind.REQUEST, "response": Kind.ANSWER, "comment": Kind.TEXT}


@dataclass(frozen=True, slots=True)
class Example:
    """One question to the judge with its true answer."""

    kind: Kind
    text: str
    unsafe: bool
    context: tuple[Turn, ...] = ()
    lang: str = ""
    file: str = ""
    id: str = ""
    augmented: tuple[str, ...] = field(default=())

    def parts(self) -> tuple[Part, ...]:
        return render(self.kind, self.context, self.text)


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
    )
