"""A shadow judge in Ray Serve: it judges along, and one that can't even start disturbs nobody."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.shadows.disagreements import Disagreement, Disagreements
from tests.stack.conftest import run_stack
from tests.stack.running import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def stack_with(folder: Path, **shadow: Any) -> Any:
    """A simulated stack; the judge passes everything, the shadow flags everything."""
    passes, flags = folder / "passes.yaml", folder / "flags.yaml"
    passes.write_text(yaml.safe_dump({"answers": {"": "one two three four five six seven eight nine ten"}}))
    flags.write_text(yaml.safe_dump({"judge": {"": 0.99}}))
    common = {"cpus": 0.5}
    candidate = {"model": "gemma-3-270m-judge", "simulate": str(flags), "sample": 1.0, **common, **shadow}
    engine = {"simulate": str(passes), **common}
    return run_stack(folder, {"native": engine, "judge": engine, "shadows": [candidate]})


def counted(stack: Stack, result: str, at_least: int) -> float:
    """What the metric has come to, once it is what is expected or the time is over."""
    deadline = time.monotonic() + 120
    while True:
        found = sum(
            float(line.rsplit(" ", 1)[1])
            for line in stack.client.get("/metrics").text.splitlines()
            if line.startswith("mizan_shadow_checks_total") and f'result="{result}"' in line
        )
        if found >= at_least or time.monotonic() > deadline:
            return found
        stack.ask()
        time.sleep(0.5)


def first_row(disagreements: Disagreements) -> Disagreement:
    """The newest row, once there is one: it is counted before it is written."""
    deadline = time.monotonic() + 60
    while not (rows := disagreements.list()):
        assert time.monotonic() < deadline, "no disagreement was kept"
        time.sleep(0.2)
    return rows[0]


def test_a_shadow_judges_along(tmp_path: Path) -> None:
    for stack in stack_with(tmp_path):
        answer = stack.ask().json()
        assert answer["judgement"]["outcome"] == "passed"
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert counted(stack, "would_block", 2) >= 2
        row = first_row(Disagreements(stack.context.settings.state))
        assert (row.tenant, row.judge.outcome, row.candidate.outcome) == ("khouribga", "passed", "flagged")
        assert row.text is None


def test_a_shadow_that_never_starts_disturbs_nobody(tmp_path: Path) -> None:
    for stack in stack_with(tmp_path, ray_resources={"nowhere": 1}, timeout=1.0, checks_in_flight=2):
        answer = stack.ask().json()
        assert answer["judgement"]["outcome"] == "passed"
        assert counted(stack, "failed", 2) >= 2
        assert counted(stack, "dropped", 1) >= 1
        assert stack.client.get("/health/ready").status_code == 200
