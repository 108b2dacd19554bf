"""What judging a growing answer costs, by the real engine's own counts."""

import json
import os
import subprocess
import sys

import pytest

from models.catalog import load_catalog
from models.prepare import prepare
from models.progress import Silent
from serving.engine_environment import engine_environment
from serving.settings import load

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]


def test_a_growing_answer_costs_at_most_half_as_much_again_as_one_check_of_it() -> None:
    settings = load(environment={})
    prepared = prepare(load_catalog(settings.models).get(settings.judge.model), settings.models, Silent())
    arguments = {**prepared.engine_args("cpu"), "distributed_executor_backend": "uni"}
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-m", "tests.serving.judging_cost", json.dumps(arguments)],
        env={**os.environ, **engine_environment("cpu", 1), "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    assert lines, done.stderr[-3000:]
    seen = json.loads(lines[0].removeprefix("SEEN "))
    assert seen["whole"] > 512
    assert seen["checks"] >= 8
    assert seen["growing"] <= 1.5 * seen["whole"], seen
