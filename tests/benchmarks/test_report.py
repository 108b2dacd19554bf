import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
from rich.console import Console

from benchmarks.arms.arm import Arm
from benchmarks.arms.discovery import TargetFacts
from benchmarks.load.outcomes import Outcome
from benchmarks.load.plan import Plan
from benchmarks.load.request import RequestShape
from benchmarks.load.sweep import Sweep
from benchmarks.reports.document import BenchmarkReport
from benchmarks.reports.json_file import write_json
from benchmarks.reports.machine import machine_facts
from benchmarks.reports.report import build_report
from benchmarks.reports.table import print_report
from benchmarks.scenarios.scenario import load_prompts
from tests.benchmarks.timelines import round_of, timeline

FACTS = TargetFacts(({"id": "m"},), {"server": "x"}, "1")


def report() -> BenchmarkReport:
    rounds = []
    for index in range(4):
        fast = [timeline(100 + at, 200 + at, usage=10, end_ms=200 + at) for at in range(5)]
        slow = [timeline(200 + at, 400 + at, usage=10, end_ms=400 + at) for at in range(4)]
        lost = timeline(outcome=Outcome.DROPPED, end_ms=1)
        rounds += [
            round_of(*fast, arm="a", index=index, wall_s=1.0),
            round_of(*slow, lost, arm="b", index=index, wall_s=2.0),
        ]
    plan = Plan((1,), 20, None, 4, 0, 10, 60, RequestShape())
    arms = [(Arm(name, "http://127.0.0.1/v1", "m", "secret-token"), FACTS) for name in "ab"]
    return build_report(
        plan,
        arms,
        baseline="a",
        prompts=load_prompts(()),
        machine=machine_facts(),
        sweep=Sweep(tuple(rounds), 12.0, False),
    )


def test_figures_by_hand() -> None:
    a, b = report().levels
    assert (a.requests, a.outcomes["passed"], b.outcomes["dropped"]) == (20, 20, 4)
    assert a.rates["output_tokens_per_second"] == 4 * 5 * 10 / 4.0
    assert b.rates["output_tokens_per_second"] == 4 * 4 * 10 / 8.0
    assert b.rates["requests_per_second"] == 16 / 8.0
    assert a.distributions["time_to_first_token"].p50 == 102
    assert a.distributions["time_to_first_token"].count == 20
    assert a.distributions["time_to_first_token"].p99 is None
    assert a.against_baseline == {}
    assert b.against_baseline["output_tokens_per_second"].ratio == 0.4
    first = b.against_baseline["time_to_first_token"]
    assert first.ratio == 201.5 / 102
    assert first.rounds == 4
    assert b.failures == {"dropped: why": 4}
    assert report().failed_requests == 4


def test_json_follows_its_schema_and_comes_back(tmp_path: Path) -> None:
    made = report()
    path = tmp_path / "deep" / "r.json"
    write_json(made, path)
    found = json.loads(path.read_text("utf-8"))
    jsonschema.validate(found, BenchmarkReport.model_json_schema(mode="serialization"))
    assert BenchmarkReport.model_validate_json(path.read_text("utf-8")) == made
    assert found["schema_version"] == "1.0"
    assert [entry.name for entry in path.parent.iterdir()] == ["r.json"]


def test_what_a_reader_needs_is_in_it() -> None:
    found = report()
    assert found.started_at < datetime.now(UTC)
    assert found.machine.cores >= 1
    assert "closed loop" in found.cannot_show[0]
    assert set(found.levels[0].rates) | set(found.levels[0].distributions) <= set(found.metrics)
    assert "secret-token" not in found.model_dump_json()


def test_the_schema_of_this_version_has_not_changed() -> None:
    """Whoever changes the report's fields also raises SCHEMA_VERSION and this list."""
    assert set(BenchmarkReport.model_fields) == {
        *("schema_version", "started_at", "wall_s", "truncated", "baseline", "plan", "machine", "arms"),
        *("metrics", "levels", "cannot_show", "warnings"),
    }


def test_the_table_shows_arms_ratios_failures_and_blind_spots() -> None:
    console = Console(width=140, record=True, file=None, quiet=False)
    with console.capture() as captured:
        print_report(report(), console)
    text = captured.get()
    for expected in (
        "tokens/s",
        "time to first token",
        "Against a",
        "b × 1",
        "0.40",
        "dropped",
        "closed loop",
    ):
        assert expected in text
