"""Deciding from label probabilities: nothing but sound, confident, unflagged findings passes."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.judging.calibration import Calibration, CalibrationError, load_calibration
from serving.judging.conversation import Check, Message, Stage
from serving.judging.judge import TemplateJudge, decide
from serving.judging.policy import Criterion, Policy
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError
from serving.judging.templates.yes_no import YesNo
from serving.judging.verdict import Finding, Outcome, Verdict
from tests.serving.judging.virtual_time import run

YES, NO = YesNo().labels()
CHECK = Check(Stage.ANSWER, (Message("user", "hello"),), "an answer")

shares = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0.0, 1.0)
findings = st.lists(
    st.builds(Finding, st.just("harm"), score=shares, label_mass=shares, threshold=shares), max_size=4
)


def rules(count: int = 1) -> Policy:
    criteria = tuple(Criterion(id=f"c{number}", description="Harm.") for number in range(count))
    return Policy(id="test", version="1", criteria=criteria)


def scores(violation: float, mass: float = 1.0) -> dict[str, float]:
    return {YES: math.log(violation * mass), NO: math.log((1 - violation) * mass)}


class Answering:
    """A scorer that gives these answers whatever it is asked."""

    def __init__(self, *answers: LabelScores) -> None:
        self.answers = answers

    async def score(self, questions: Sequence[Question]) -> Sequence[LabelScores]:
        return self.answers


def judged(*answers: LabelScores, criteria: int = 1) -> Verdict:
    judge = TemplateJudge(YesNo(), Answering(*answers), "judge", "digest")
    return run(judge.judge(CHECK, rules(criteria)))


@given(findings, st.floats(0.01, 0.99))
def test_a_pass_needs_every_finding_sound_confident_and_below_its_threshold(
    found: list[Finding], floor: float
) -> None:
    outcome, reason = decide(found, floor)
    passes = bool(found) and all(0.0 <= f.score < f.threshold <= 1.0 and f.label_mass >= floor for f in found)
    assert (outcome is Outcome.PASSED) is passes
    assert (reason is None) is (outcome is not Outcome.UNDECIDED)


@given(findings, st.floats(0.01, 0.99))
def test_doubt_about_one_question_does_not_hide_a_flag_of_another(found: list[Finding], floor: float) -> None:
    flag = Finding("harm", score=0.9, label_mass=1.0, threshold=0.5)
    assert decide([*found, flag], floor)[0] is Outcome.FLAGGED


def test_a_verdict_carries_what_an_audit_needs() -> None:
    verdict = judged(LabelScores((scores(0.2, 0.9),), prompt_tokens=30, cached_tokens=16))
    assert verdict.passed
    assert verdict.score == pytest.approx(0.2)
    assert verdict.label_mass == pytest.approx(0.9)
    assert (verdict.judge, verdict.judge_digest) == ("judge", "digest")
    assert (verdict.policy, verdict.policy_version) == ("test", "1")
    assert verdict.policy_digest == rules().digest
    assert (verdict.prompt_tokens, verdict.cached_tokens) == (30, 16)
    assert verdict.stage is Stage.ANSWER


def test_the_worst_piece_and_the_worst_criterion_count() -> None:
    fine = LabelScores((scores(0.1),))
    verdict = judged(fine, LabelScores((scores(0.1), scores(0.8), scores(0.1))), criteria=2)
    assert verdict.outcome is Outcome.FLAGGED
    assert verdict.categories == ("c1",)
    assert verdict.score == pytest.approx(0.8)
    assert verdict.pieces == 3


@pytest.mark.parametrize(
    "piece", [{YES: math.nan, NO: -0.1}, {YES: 1.0, NO: -0.1}, scores(0.1, mass=0.3), {YES: 0.0, NO: 0.0}]
)
def test_an_unsound_or_unsure_piece_leaves_it_undecided(piece: dict[str, float]) -> None:
    verdict = judged(LabelScores((scores(0.1), piece)))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.reason == "unsure"


@pytest.mark.parametrize(
    "answers",
    [
        (),
        (LabelScores(()),),
        (LabelScores((scores(0.1),)), LabelScores((scores(0.1),))),
        (LabelScores(({NO: -0.01},)),),
        (LabelScores((scores(0.1), {NO: -0.01})),),
        (LabelScores(({**scores(0.1), "Maybe": -9.0},)),),
        (LabelScores(({},)),),
    ],
)
def test_an_answer_to_something_else_is_garbled(answers: tuple[LabelScores, ...]) -> None:
    with pytest.raises(JudgeError) as caught:
        judged(*answers)
    assert caught.value.reason == "garbled"


def test_a_policy_that_asks_nothing_at_a_stage_does_not_pass_it() -> None:
    stages = (Stage.PROMPT, Stage.ANSWER, Stage.TOOL_CALL)
    policy = Policy(
        id="test", version="1", criteria=(Criterion(id="harm", description="Harm.", stages=stages),)
    )
    judge = TemplateJudge(YesNo(), Answering(), "judge", "digest")
    with pytest.raises(JudgeError) as caught:
        run(judge.judge(Check(Stage.TEXT, (), "text"), policy))
    assert caught.value.reason == "no_question"


@pytest.mark.parametrize(
    "text",
    [
        '{"thresholds": {"answer": NaN}}',
        '{"thresholds": {"answer": 1.5}}',
        '{"thresholds": {"answer": -0.1}}',
        '{"temperature": Infinity}',
        '{"temperature": 0}',
        '{"thresholds": {"nowhere": 0.5}}',
        "{",
    ],
)
def test_a_calibration_that_would_never_flag_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(CalibrationError, match=r"calibration\.json"):
        load_calibration(tmp_path)


def test_a_judge_without_calibration_flags_from_one_half(tmp_path: Path) -> None:
    assert load_calibration(tmp_path) == Calibration()
    assert Calibration().threshold(Stage.ANSWER) == 0.5
