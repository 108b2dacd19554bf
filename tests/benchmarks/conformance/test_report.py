"""What a run's report says, on the terminal, as a page, and by the exit code."""

from contextlib import nullcontext
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.conformance import matrix
from benchmarks.conformance.cells import Cell, Ending, JudgeState
from benchmarks.conformance.cli import app
from benchmarks.conformance.gateways.environment import version_in
from benchmarks.conformance.gateways.gateway import Gateway
from benchmarks.conformance.reports.comparison import comparison
from benchmarks.conformance.reports.document import ConformanceReport, build_report
from benchmarks.conformance.reports.page import page
from benchmarks.conformance.reports.terminal import print_report
from benchmarks.conformance.results import Result, State
from benchmarks.conformance.suite import run_suite
from cluster.free_ports import free_ports

GATEWAY = Gateway(
    "<Gateway>", "1", "http://127.0.0.1:1", "model", settings=("strict",), left_out=("caching",)
)


def report(*states: State) -> ConformanceReport:
    sections = (matrix.FAULTS, matrix.CUTS, matrix.ENDINGS)
    return build_report(
        GATEWAY,
        [
            Result(Cell(sections[number % 3], judge=JudgeState.SLOW, ending=Ending.READ), state, "<why>")
            for number, state in enumerate(states)
        ],
        1.0,
    )


def test_only_what_was_tried_and_held_counts() -> None:
    assert report(State.JUDGED, State.BLOCKED, State.NOT_SUPPORTED).held
    assert not report(State.NOT_SUPPORTED).held
    for state in (State.LEAKED, State.NO_VERDICT, State.ERROR):
        assert not report(State.JUDGED, state).held


def test_tables_say_all_states_and_escape_what_gateways_say() -> None:
    found = report(*State)
    assert ConformanceReport.model_validate_json(found.model_dump_json()) == found
    written = StringIO()
    print_report(found, Console(file=written, width=100))
    for text in ("slow", "LEAK", "1 leaked", "<why>", "<Gateway> 1: 6 cells"):
        assert text in written.getvalue()
    html = page([found])
    assert "&lt;Gateway&gt;" in html
    assert "<why>" not in html
    assert "caching" in html


def test_gateways_side_by_side() -> None:
    one, other = report(*State), report(State.NOT_SUPPORTED)
    lines = comparison([one, other]).splitlines()
    assert lines[0] == "|  | <Gateway> 1 | <Gateway> 1 |"
    assert "| chat, stream, content; judge faulty or slow | 1 judged, **1 leaked** | – |" in lines
    assert lines[-1].startswith("| **all** | 1 judged, 1 blocked")


async def test_a_whole_run_on_a_bare_model() -> None:
    cells = [Cell(matrix.CUTS), Cell(matrix.ENDINGS, ending=Ending.GATEWAY_KILLED)]
    model, judge = free_ports(2)
    gateway = Gateway("bare", "", f"http://127.0.0.1:{model}", "scripted")
    found = await run_suite(lambda _: nullcontext(gateway), cells, Console(quiet=True), ports=(model, judge))
    assert [cell.state for cell in found.cells] == [State.LEAKED, State.NOT_SUPPORTED]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--url", "http://127.0.0.1:1", "--ports", "one"], "two numbers"),
        (["peers", "no-such-gateway"], "no such peer"),
    ],
)
def test_what_cannot_be_run_ends_with_a_sentence(arguments: list[str], why: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert why in done.output


def test_a_gateway_that_does_not_answer_cannot_be_tested(tmp_path: Path) -> None:
    silent, model, judge = free_ports(3)
    where = ["--url", f"http://127.0.0.1:{silent}", "--ports", f"{model},{judge}", "--quick"]
    done = CliRunner().invoke(app, [*where, "--json", str(tmp_path / "report.json")])
    assert done.exit_code == 2
    assert "answers no request" in done.output


def test_the_pinned_versions_are_known() -> None:
    assert version_in("litellm", "litellm")
    assert version_in("nemo_guardrails", "nemoguardrails")
