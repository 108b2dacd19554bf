"""What judging a growing answer costs, by the real engine's own counts."""

import json

import pytest

from tests.serving.engine_programs import default_model, engine_arguments, seen_by

pytestmark = [pytest.mark.models, pytest.mark.timeout(960)]


def test_a_growing_answer_costs_at_most_half_as_much_again_as_one_check_of_it() -> None:
    arguments = engine_arguments(default_model("judge"))
    seen = seen_by("tests.serving.judging_cost", json.dumps(arguments))
    assert seen["whole"] > 1300
    assert seen["checks"] >= 8
    assert seen["growing"] <= 1.5 * seen["whole"], seen
