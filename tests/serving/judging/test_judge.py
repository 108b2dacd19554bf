"""Deciding from label probabilities: nothing but sound, confident, unflagged findings passes."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.judging.calibration import Calibration, CalibrationError, load_calibration
from serving.judging.conversation import Check, Message, Role, Stage
from serving.judging.judge import TemplateJudge, decide, worse
from serving.judging.policy import Criterion, Policy
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError
from serving.judging.templates.base import Template
from serving.judging.templates.granite_guardian import EXCHANGE, GraniteGuardian
from serving.judging.templates.shieldgemma import ShieldGemma
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


CONVERSATION = (
    Message("system", "You help."),
    Message("user", "how would one"),
    Message("assistant", "Go on."),
    Message("tool", "a result"),
    Message("user", "open the valve unseen?"),
)


class Hearing:
    """A scorer that finds harm where one question holds all these words, and remembers what it was asked."""

    def __init__(self, labels: tuple[str, ...], *words: str) -> None:
        self.labels = labels
        self.words = words
        self.calls: list[list[str]] = []

    async def score(self, questions: Sequence[Question]) -> Sequence[LabelScores]:
        texts = ["".join(s.text for s in question.segments if s.splittable) for question in questions]
        self.calls.append(texts)
        yes, no = self.labels
        found = [0.9 if all(word in text for word in self.words) else 0.1 for text in texts]
        return [LabelScores(({yes: math.log(share), no: math.log(1 - share)},)) for share in found]


def asked(
    conversation: tuple[Message, ...], *words: str, stage: Stage = Stage.PROMPT
) -> tuple[Verdict, Hearing]:
    hearing = Hearing((YES, NO), *words)
    judge = TemplateJudge(YesNo(), hearing, "judge", "digest")
    return run(judge.judge(Check(stage, conversation, "an answer"), rules())), hearing


def test_a_request_spread_over_turns_is_found() -> None:
    verdict, hearing = asked(CONVERSATION, "how would one", "open the valve")
    assert verdict.outcome is Outcome.FLAGGED
    assert verdict.categories == ("c0",)
    assert verdict.earlier_turns
    assert len(hearing.calls) == 1, "both questions go in one call"


def test_a_request_that_was_left_standing_is_found_though_the_last_turn_is_harmless() -> None:
    conversation = (*CONVERSATION, Message("assistant", "No."), Message("user", "thanks, go on"))
    assert asked(conversation, "open the valve")[0].outcome is Outcome.FLAGGED
    assert asked(conversation, "an explosive")[0].passed
    assert not asked(conversation, "go on")[0].earlier_turns, "the last message is flagged by itself"


def test_what_was_asked_is_judged_as_one_text_without_what_was_answered() -> None:
    _, hearing = asked(CONVERSATION)
    last, whole = hearing.calls[0]
    assert last == "open the valve unseen?"
    assert whole == "how would one\n\na result\n\nopen the valve unseen?"


@pytest.mark.parametrize("role", ["system", "developer", "tool", "user"])
def test_a_request_is_found_whatever_the_role_of_the_turn_after_it(role: Role) -> None:
    """The last message need not be a user's: a request before instructions is answered all the same."""
    conversation = (Message("system", "You help."), Message("user", "open the valve"), Message(role, "go on"))
    verdict, hearing = asked(conversation, "open the valve")
    assert verdict.outcome is Outcome.FLAGGED
    assert hearing.calls == [["go on", "open the valve\n\ngo on"]]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_within_a_conversation_are_asked_like_any_turn(role: Role) -> None:
    conversation = (Message("user", "hello"), Message(role, "open the valve"), Message("user", "go on"))
    assert asked(conversation, "open the valve")[0].outcome is Outcome.FLAGGED
    before = (Message(role, "never open the valve"), *conversation[::2])
    assert asked(before, "open the valve")[0].passed, "the application's own rules are no request"


@pytest.mark.parametrize("template", [ShieldGemma(), GraniteGuardian(EXCHANGE)], ids=lambda one: one.family)
def test_a_family_that_reads_all_turns_as_one_is_not_asked_twice(template: Template) -> None:
    policy = Policy.model_validate({"id": "p", "version": "1", "hazards": {"hate": {}}})

    def calls(conversation: tuple[Message, ...]) -> list[list[str]]:
        hearing = Hearing(template.labels(), "open", "unseen")
        judge = TemplateJudge(template, hearing, "judge", "digest")
        assert run(judge.judge(Check(Stage.PROMPT, conversation), policy)).outcome is Outcome.FLAGGED
        return hearing.calls

    joined = "how would one\n\na result\n\nopen the valve unseen?"
    assert calls(CONVERSATION[1:]) == [[joined]]
    assert calls(CONVERSATION) == [[f"You help.\n\n{joined}", joined]]


@pytest.mark.parametrize(
    ("stage", "conversation"),
    [
        (Stage.PROMPT, ()),
        (Stage.PROMPT, CONVERSATION[:1]),
        (Stage.PROMPT, CONVERSATION[:2]),
        (Stage.PROMPT, (Message("system", "a"), Message("developer", "b"))),
        (Stage.PROMPT, (Message("system", "a"), Message("assistant", "b"), Message("user", "c"))),
        (Stage.ANSWER, CONVERSATION),
        (Stage.TOOL_CALL, CONVERSATION),
    ],
)
def test_there_is_one_question_where_nothing_was_asked_before(
    stage: Stage, conversation: tuple[Message, ...]
) -> None:
    _, hearing = asked(conversation, stage=stage)
    assert [len(call) for call in hearing.calls] == [1]


@given(findings, findings, st.floats(0.01, 0.99))
def test_of_two_readings_the_stricter_one_decides(
    some: list[Finding], others: list[Finding], floor: float
) -> None:
    assert decide(worse(some, others, floor), floor) == decide([*some, *others], floor)


def test_what_is_found_twice_is_reported_once_as_it_was_worse() -> None:
    less = Finding("harm", score=0.2, label_mass=0.9, threshold=0.5)
    more = Finding("harm", score=0.7, label_mass=0.9, threshold=0.5)
    other = Finding("other", score=0.1, label_mass=0.9, threshold=0.5)
    unsure = Finding("harm", score=0.9, label_mass=0.1, threshold=0.5)
    assert worse([less, other], [more, other], 0.5) == (more, other)
    assert worse([more], [less], 0.5) == (more,)
    assert worse([more], [unsure], 0.5) == (more, unsure)
