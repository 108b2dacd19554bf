"""Reports as one HTML page; needs no network and no script."""

from collections.abc import Sequence
from html import escape

from benchmarks.conformance.reports.document import ConformanceReport
from benchmarks.conformance.reports.tables import LETTERS, Entry, Sheet, sheets
from benchmarks.conformance.results import State

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c}
table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.2rem .7rem;text-align:center;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}
.judged{background:#d6f0d8}.blocked{background:#d7ebf5}.no-verdict{background:#fbf0c4}
.leaked{background:#c62828;color:#fff;font-weight:bold}.error{background:#ecd4f0}.not-supported{color:#999}
@media(prefers-color-scheme:dark){
body{background:#181818;color:#e6e6e6}td,th{border-color:#444}
.judged{background:#1d4d24}.blocked{background:#184457}.no-verdict{background:#5c4d0d}.error{background:#54265c}}
"""


def page(reports: Sequence[ConformanceReport]) -> str:
    """The whole page: a summary, then each gateway's tables and what went wrong."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        f"<title>Conformance</title><style>{_STYLE}</style><h1>Conformance</h1>",
        _summary(reports),
        "<ul>",
        *(
            f'<li><b class="{_name(state)}">{letter}</b> {state.value}: {escape(state.what)}</li>'
            for state, letter in LETTERS.items()
        ),
        "</ul>",
        *(_gateway(report) for report in reports),
        "</html>",
    ]
    return "\n".join(parts)


def _summary(reports: Sequence[ConformanceReport]) -> str:
    head = "".join(f"<th>{state.value}</th>" for state in State)
    lines = "".join(
        f"<tr><td>{escape(report.gateway.name)} {escape(report.gateway.version)}</td>"
        + "".join(f"<td>{report.counts.get(state, 0)}</td>" for state in State)
        + "</tr>"
        for report in reports
    )
    return f"<table><tr><th>cells</th>{head}</tr>{lines}</table>"


def _gateway(report: ConformanceReport) -> str:
    gateway = report.gateway
    wrong = [cell for cell in report.cells if not (cell.state.held or cell.state is State.NOT_SUPPORTED)]
    parts = [
        f"<h2>{escape(gateway.name)} {escape(gateway.version)}</h2>",
        f"<p>{report.started_at:%Y-%m-%d %H:%M} UTC, {len(report.cells)} cells in {report.wall_s:.0f} s.</p>",
        _list("Settings", gateway.settings),
        _list("Not configured", gateway.left_out),
        *(_sheet(sheet) for sheet in sheets(report)),
        _list(
            "Neither judged nor blocked",
            [
                f"{cell.state.value}: {cell.request}; phrase {cell.placement}; judge {cell.judge}; "
                f"{cell.ending}: {cell.detail}"
                for cell in wrong
            ],
        ),
    ]
    return "\n".join(parts)


def _list(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f"<h3>{title}</h3><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _sheet(sheet: Sheet) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in ("", *sheet.columns))
    lines = "".join(
        f"<tr><td>{escape(row)}</td>"
        + "".join(_entry(sheet.entry(row, column)) for column in sheet.columns)
        + "</tr>"
        for row in sheet.rows
    )
    return f"<h3>{escape(sheet.title)}</h3><table><tr>{head}</tr>{lines}</table>"


def _entry(entry: Entry) -> str:
    return f'<td class="{_name(entry.worst)}">{escape(entry.text)}</td>' if entry.worst else "<td></td>"


def _name(state: State) -> str:
    return state.value.replace(" ", "-")
