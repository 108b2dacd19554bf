"""Several gateways side by side, as a Markdown table: what each did under every request and fault."""

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.conformance import matrix
from benchmarks.conformance.reports.document import CellFacts, ConformanceReport
from benchmarks.conformance.results import State

_HEALTHY = "healthy"


def comparison(reports: Sequence[ConformanceReport]) -> str:
    """One row for each kind of cell, one column a gateway; sums in the last row."""
    rows: dict[str, list[Counter[State]]] = {}
    for number, report in enumerate(reports):
        for cell in report.cells:
            counts = rows.setdefault(_kind(cell), [Counter() for _ in reports])
            counts[number][cell.state] += 1
    heads = [f"{report.gateway.name} {report.gateway.version}" for report in reports]
    lines = [_line("", heads), _line("---", ["---"] * len(heads))]
    lines += [_line(kind, map(_entry, counts)) for kind, counts in rows.items()]
    lines.append(_line("**all**", (_entry(Counter(report.counts)) for report in reports)))
    return "\n".join(lines) + "\n"


def _kind(cell: CellFacts) -> str:
    said = cell.request.split(", n=")[0] + f", {cell.channel}"
    if cell.section == matrix.CUTS:
        return f"{said}; chunk splits"
    if cell.section == matrix.ENDINGS:
        return f"{said}; {cell.ending}"
    return f"{said}; judge {cell.judge if cell.judge == _HEALTHY else 'faulty or slow'}"


def _entry(counts: Counter[State]) -> str:
    total = sum(counts.values())
    if counts[State.NOT_SUPPORTED] == total:
        return "–"
    parts = [f"{count} {state.value}" for state in State if (count := counts[state])]
    return ", ".join(f"**{part}**" if part.endswith(State.LEAKED.value) else part for part in parts)


def _line(first: str, others: Iterable[str]) -> str:
    return f"| {' | '.join((first, *others))} |"
