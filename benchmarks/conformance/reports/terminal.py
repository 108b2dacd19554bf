"""The report on a terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.conformance.reports.document import ConformanceReport
from benchmarks.conformance.reports.tables import LETTERS, Sheet, sheets
from benchmarks.conformance.results import State

COLOURS = {
    State.JUDGED: "green",
    State.BLOCKED: "cyan",
    State.NO_VERDICT: "yellow",
    State.LEAKED: "bold white on red",
    State.ERROR: "magenta",
    State.NOT_SUPPORTED: "dim",
}
_SHOWN = 12
"""Cells that did not hold, listed one by one."""


def print_report(report: ConformanceReport, console: Console) -> None:
    """Tables, what went wrong, what the letters mean, and the sum."""
    for sheet in sheets(report):
        console.print(_table(sheet))
    wrong = [cell for cell in report.cells if not (cell.state.held or cell.state is State.NOT_SUPPORTED)]
    for cell in wrong[:_SHOWN]:
        where = f"{cell.request}; phrase {cell.placement}; judge {cell.judge}; {cell.ending}"
        console.print(f"[{COLOURS[cell.state]}]{cell.state.value}[/] {escape(where)}: {escape(cell.detail)}")
    if len(wrong) > _SHOWN:
        console.print(f"… and {len(wrong) - _SHOWN} more; --json and --html have them all.")
    for state, letter in LETTERS.items():
        console.print(f"[{COLOURS[state]}]{letter:>5}[/]  [dim]{state.value}: {state.what}[/]")
    sums = ", ".join(f"[{COLOURS[state]}]{count} {state.value}[/]" for state, count in report.counts.items())
    name = escape(f"{report.gateway.name} {report.gateway.version}")
    console.print(f"[bold]{name}[/]: {len(report.cells)} cells in {report.wall_s:.0f} s: {sums}")


def _table(sheet: Sheet) -> Table:
    table = Table(title=sheet.title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("", ratio=1)
    for column in sheet.columns:
        table.add_column(column, justify="center")
    for row in sheet.rows:
        entries = [sheet.entry(row, column) for column in sheet.columns]
        table.add_row(
            row,
            *(f"[{COLOURS[entry.worst]}]{entry.text}[/]" if entry.worst else "" for entry in entries),
        )
    return table
