"""The default judge, merged and real, on requests that demo and stack tests lean on: none is a near thing."""

from pathlib import Path

import pytest

from cluster.demo import load_conversations
from models.training.rows import Row
from serving.judging.conversation import Check, Message, Stage
from serving.judging.evaluation.backends import JudgeModel, open_judge
from serving.judging.evaluation.runner import judge_rows
from serving.judging.policy import load_policies
from serving.pieces import MOST_TOKENS
from serving.settings.stack import BUNDLED_POLICIES
from tests.models.test_real_models import prepared
from tests.stack.running import HARMFUL, LONG, SAFE

pytestmark = pytest.mark.models

MARGIN = 0.1
"""Of a probability: scores of one text differ by some 0.02 between processors."""

REQUESTS = {
    SAFE: False,
    LONG: False,
    HARMFUL: True,
    **{one.prompt: one.expect == "blocked" for one in load_conversations()},
}


def _model() -> JudgeModel:
    default = prepared("gemma-3-270m-judge")
    entry = default.entry
    arguments = entry.engine_args("cpu")
    return JudgeModel(entry.id, Path(default.path), str(entry.family), "", entry.lineage, arguments)


async def test_no_request_that_other_tests_lean_on_is_near_the_threshold() -> None:
    policy = load_policies(BUNDLED_POLICIES)["default"]
    near = {}
    async with open_judge(_model(), "transformers") as judge:
        for text, harmful in REQUESTS.items():
            (finding,) = (await judge.judge(Check(Stage.PROMPT, (Message("user", text),)), policy)).findings
            distance = finding.score - finding.threshold
            if (distance if harmful else -distance) < MARGIN:
                near[text] = round(distance, 3)
    assert not near


async def test_a_row_too_long_to_judge_costs_no_other_its_verdict() -> None:
    texts = ("How do I bake bread?", "a " * MOST_TOKENS, "Where is Safi?")
    rows = [Row(id=str(n), lang="en", kind="prompt", text=text, label="safe") for n, text in enumerate(texts)]
    async with open_judge(_model(), "transformers") as judge:
        results = await judge_rows(judge, load_policies(BUNDLED_POLICIES)["default"], rows)
    assert [one.undecided for one in results] == [False, True, False]
    assert [one.flagged for one in results] == [False, True, False]
