"""Arranges the cells of a report in tables: one a section."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.conformance import matrix
from benchmarks.conformance.reports.document import CellFacts, ConformanceReport
from benchmarks.conformance.results import State

LETTERS = {
    State.JUDGED: "J",
    State.BLOCKED: "B",
    State.NO_VERDICT: "N",
    State.LEAKED: "LEAK",
    State.ERROR: "ERROR",
    State.NOT_SUPPORTED: "–",
}
_GRAVE = (
    State.LEAKED,
    State.ERROR,
    State.NO_VERDICT,
    State.BLOCKED,
    State.JUDGED,
    State.NOT_SUPPORTED,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """The states of the cells in one place of a table."""

    counts: Counter[State]

    @property
    def worst(self) -> State | None:
        return next((state for state in _GRAVE if self.counts[state]), None)

    @property
    def text(self) -> str:
        found = ((LETTERS[state], self.counts[state]) for state in reversed(_GRAVE))
        return " ".join(f"{count if count > 1 else ''}{letter}" for letter, count in found if count)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table: what its rows and columns are, and what is in each place."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    entries: dict[tuple[str, str], Entry]

    def entry(self, row: str, column: str) -> Entry:
        return self.entries.get((row, column), Entry(Counter()))


Name = Callable[[CellFacts], str]
_ARRANGED: dict[str, tuple[str, Name, Name]] = {
    matrix.FAULTS: ("Requests against the judge's state", lambda c: c.request, lambda c: c.judge),
    matrix.CUTS: (
        "Where the forbidden phrase is and how chunks cut it, judge healthy",
        lambda c: c.placement,
        lambda c: f"{c.request}".replace(", stream", ""),
    ),
    matrix.ENDINGS: ("What ends the exchange", lambda c: f"{c.request}; {c.judge}", lambda c: c.ending),
}


def sheets(report: ConformanceReport) -> list[Sheet]:
    """The tables of a report; sections without cells are left out."""
    found = []
    for section, (title, row, column) in _ARRANGED.items():
        cells = [cell for cell in report.cells if cell.section == section]
        if cells:
            found.append(_sheet(title, cells, row, column))
    return found


def _sheet(title: str, cells: Sequence[CellFacts], row: Name, column: Name) -> Sheet:
    counts: dict[tuple[str, str], Counter[State]] = {}
    for cell in cells:
        counts.setdefault((row(cell), column(cell)), Counter())[cell.state] += 1
    rows = tuple(dict.fromkeys(row(cell) for cell in cells))
    columns = tuple(dict.fromkeys(column(cell) for cell in cells))
    return Sheet(title, rows, columns, {place: Entry(count) for place, count in counts.items()})
