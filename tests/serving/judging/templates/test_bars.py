"""How strict a policy is: a rule that is relaxed relaxes no other."""

from typing import Any

import pytest

from serving.judging.conversation import Stage
from serving.judging.hazards import Category, Hazard
from serving.judging.policy import Policy
from serving.judging.templates.bars import bars, one_bar

HARM = {"id": "harm", "description": "harm"}
SECRETS = {"id": "secrets", "description": "secrets", "threshold": 0.9}


def policy(**fields: Any) -> Policy:
    return Policy.model_validate({"id": "p", "version": "1", **fields})


@pytest.mark.parametrize(
    ("rules", "threshold"),
    [
        (policy(hazards={"hate": {}}), 0.3),
        (policy(hazards={"hate": {}, "privacy": {"threshold": 0.95}}), 0.3),
        (policy(hazards={"hate": {"threshold": 0.2}, "privacy": {}}), 0.2),
        (policy(hazards={"hate": {"threshold": 0.8}, "privacy": {"threshold": 0.95}}), 0.8),
        (policy(criteria=[HARM, SECRETS]), 0.3),
        (policy(criteria=[SECRETS]), 0.9),
    ],
)
def test_one_relaxed_rule_leaves_the_judges_own_threshold_to_the_others(
    rules: Policy, threshold: float
) -> None:
    assert one_bar(rules, Stage.PROMPT, 0.3).threshold == threshold


def test_a_relaxed_criterion_relaxes_no_category() -> None:
    hate = Category("S10", (Hazard.HATE,))
    assert bars(policy(criteria=[HARM, SECRETS]), Stage.PROMPT, [hate])[hate].threshold == 0.5
    assert bars(policy(criteria=[SECRETS]), Stage.PROMPT, [hate])[hate].threshold == 0.9
