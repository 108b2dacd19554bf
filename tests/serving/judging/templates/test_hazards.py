"""A policy's hazards, family by family: only what it names is asked or read, each under its own bar."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from serving.judging.calibration import Calibration
from serving.judging.conversation import Check, Message, Stage
from serving.judging.hazards import DESCRIPTIONS, Hazard
from serving.judging.judge import TemplateJudge
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError
from serving.judging.templates.base import Template
from serving.judging.templates.coverage import gaps
from serving.judging.templates.families import FAMILIES, template_of
from serving.judging.templates.mizan import Mizan
from serving.judging.templates.qwen3guard import FIRST_TOKENS
from serving.judging.verdict import Outcome, Verdict

PROMPT = Check(Stage.PROMPT, (Message("user", "How do I forge steel?"),))
ANSWER = Check(Stage.ANSWER, PROMPT.conversation, "Heat it to")


def policy(mode: str = "window", **hazards: Any) -> Policy:
    return Policy.model_validate({"id": "p", "version": "1", "mode": mode, "hazards": hazards})


def logs(shares: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    """Log-probabilities; labels that are not named share what is left."""
    rest = (1 - sum(shares.values())) / max(1, len(labels) - len(shares))
    return {label: math.log(max(shares.get(label, rest), 1e-9)) for label in labels}


class Answering:
    """Answers by the first label's probability; a second round by the share of each of its labels."""

    def __init__(
        self,
        *unsafe: float,
        named: Sequence[Mapping[str, float]] = (),
        fails: Exception | None = None,
        mass: float = 1.0,
    ) -> None:
        self.unsafe = unsafe
        self.named = named
        self.fails = fails
        self.mass = mass
        self.rounds: list[Sequence[Question]] = []

    async def score(self, questions: Sequence[Question]) -> list[LabelScores]:
        self.rounds.append(questions)
        if len(self.rounds) == 1:
            answers = zip(questions, self.unsafe, strict=True)
            return [
                LabelScores((logs({q.labels[0]: share, q.labels[-1]: 1 - share}, q.labels),))
                for q, share in answers
            ]
        if self.fails:
            raise self.fails
        scores = [
            {label: value + math.log(self.mass) for label, value in logs(shares, q.labels).items()}
            for q, shares in zip(questions, self.named, strict=True)
        ]
        return [LabelScores((piece,)) for piece in scores]


async def judged(template: Template, rules: Policy, scorer: Answering, check: Check = PROMPT) -> Verdict:
    return await TemplateJudge(template, scorer, "judge", "d").judge(check, rules)


def prompts(template: Template, rules: Policy, check: Check = PROMPT) -> list[str]:
    return ["".join(s.text for s in q.segments) for q in template.questions(check, rules)]


def test_every_hazard_has_words() -> None:
    assert set(DESCRIPTIONS) == set(Hazard)


def test_llama_guard_lists_only_what_the_policy_names_and_keeps_bars_apart() -> None:
    rules = policy(S1={"threshold": 0.5}, S9={"threshold": 0.2}, S10={"threshold": 0.5})
    common, strict = prompts(template_of("llama_guard"), rules)
    assert "S1: Violent Crimes.\nS10: Hate.\n<END UNSAFE CONTENT CATEGORIES>" in common
    assert "<BEGIN UNSAFE CONTENT CATEGORIES>\nS9: Indiscriminate Weapons.\n<END" in strict
    (everything,) = prompts(template_of("llama_guard"), policy(harm={}))
    assert "S14: Code Interpreter Abuse.\n" in everything


async def test_llama_guard_names_the_hazard_once_something_violates() -> None:
    rules = policy(S1={"threshold": 0.5}, S10={"threshold": 0.5}, S9={"threshold": 0.2})
    scorer = Answering(0.9, 0.3, named=[{"10": 0.8}])
    verdict = await judged(template_of("llama_guard"), rules, scorer)
    assert verdict.categories == ("hate", "indiscriminate_weapons")
    assert [finding.code for finding in verdict.findings] == ["S10", "S9"]
    (question,) = scorer.rounds[1]
    assert question.labels == ("1", "10")
    assert question.segments[-1].text == "unsafe\nS"
    assert question.segments[:-1] == scorer.rounds[0][0].segments


async def test_a_name_that_is_not_to_be_had_changes_nothing() -> None:
    scorer = Answering(0.9, fails=JudgeError("failed", "gone"))
    verdict = await judged(template_of("llama_guard"), policy(harm={}), scorer)
    assert verdict.outcome is Outcome.FLAGGED
    assert verdict.categories == ("harm",)


async def test_nothing_is_asked_twice_where_nothing_violates() -> None:
    for family in ("llama_guard", "qwen3guard"):
        scorer = Answering(0.1)
        assert (await judged(template_of(family), policy(harm={}), scorer)).passed
        assert len(scorer.rounds) == 1


async def test_shieldgemma_asks_for_the_types_that_cover_a_hazard() -> None:
    rules = policy(S9={"threshold": 0.3}, hate={"threshold": 0.9}, defamation={})
    template = template_of("shieldgemma")
    assert [question.criterion for question in template.questions(PROMPT, rules)] == ["dangerous", "hate"]
    verdict = await judged(template, rules, Answering(0.4, 0.8))
    assert verdict.categories == ("violent_crimes",)
    assert [finding.threshold for finding in verdict.findings] == [0.3, 0.9]


@pytest.mark.parametrize("family", ["yes_no", "granite_guardian"])
async def test_families_that_read_words_ask_for_each_hazard(family: str) -> None:
    rules = Policy.model_validate(
        {
            "id": "p",
            "version": "1",
            "hazards": {"hate": {"threshold": 0.3}, "S9": {"stages": ["answer"]}},
            "criteria": [{"id": "secrets", "description": "figures that were not published"}],
        }
    )
    template = template_of(family)
    hate, secrets = prompts(template, rules)
    assert DESCRIPTIONS[Hazard.HATE] in hate
    assert "figures that were not published" in secrets
    verdict = await judged(template, rules, Answering(0.4, 0.2))
    assert verdict.categories == ("hate",)
    asked = [question.criterion for question in template.questions(ANSWER, rules)]
    assert asked == ["indiscriminate_weapons", "hate", "secrets"]


QWEN = template_of("qwen3guard")


async def qwen(rules: Policy, unsafe: float, mass: float = 1.0, **named: float) -> Verdict:
    shares = {FIRST_TOKENS[code.replace("_", " ")]: share for code, share in named.items()}
    scorer = Answering(unsafe, named=[shares], mass=mass)
    return await judged(QWEN, rules, scorer)


async def test_qwen3guard_leaves_out_what_falls_to_categories_outside_the_policy() -> None:
    rules = policy(S1={"threshold": 0.5})
    assert (await qwen(rules, 0.9, PII=0.95)).passed
    violent = await qwen(rules, 0.9, Violent=0.95)
    assert violent.categories == ("violent_crimes",)
    assert violent.score == pytest.approx(0.855, abs=1e-3)


async def test_qwen3guard_blocks_where_it_would_name_no_category() -> None:
    assert not (await qwen(policy(S1={"threshold": 0.5}), 0.9, PII=0.95, mass=0.1)).passed


async def test_qwen3guard_blocks_where_its_second_question_was_cut_otherwise() -> None:
    class MorePieces(Answering):
        async def score(self, questions: Sequence[Question]) -> list[LabelScores]:
            scores = await super().score(questions)
            return scores if len(self.rounds) == 1 else [LabelScores(s.pieces * 2) for s in scores]

    scorer = MorePieces(0.9, named=[{FIRST_TOKENS["PII"]: 0.95}])
    assert not (await judged(QWEN, policy(S1={"threshold": 0.5}), scorer)).passed


async def test_bars_of_their_own_do_not_let_what_lies_between_them_pass() -> None:
    """Neither category reaches its bar by itself, together they are beyond the laxer one."""
    rules = policy(S1={"threshold": 0.3}, privacy={"threshold": 0.8})
    verdict = await qwen(rules, 0.95, Violent=0.28, PII=0.7)
    assert verdict.outcome is Outcome.FLAGGED
    assert verdict.categories == ("privacy",)


async def test_qwen3guard_reads_everything_where_everything_is_asked() -> None:
    verdict = await qwen(policy(harm={"threshold": 0.6}), 0.7, PII=0.5)
    assert verdict.categories == ("privacy",)
    assert verdict.score == pytest.approx(0.7)


@pytest.mark.parametrize("family", FAMILIES)
async def test_what_only_flags_is_noted_and_does_not_block(family: str) -> None:
    template = template_of(family)
    rules = policy("observe", hate={"action": "flag"})
    verdict = await judged(template, rules, Answering(0.9, named=[{" Un": 0.99}]))
    assert verdict.passed
    assert not verdict.categories
    assert len(verdict.noted) == 1


async def test_doubt_about_what_only_flags_still_blocks() -> None:
    rules = policy("observe", hate={"action": "flag"})

    class Unsure:
        async def score(self, questions: Sequence[Question]) -> list[LabelScores]:
            return [LabelScores(({label: math.log(0.01) for label in q.labels},)) for q in questions]

    verdict = await TemplateJudge(template_of("yes_no"), Unsure(), "judge", "d").judge(PROMPT, rules)
    assert verdict.outcome is Outcome.UNDECIDED


async def test_the_default_judge_takes_the_strictest_threshold_of_the_stage() -> None:
    template = Mizan(Calibration(thresholds={Stage.PROMPT: 0.7, Stage.ANSWER: 0.6}))
    rules = policy(
        S1={"threshold": {"prompt": 0.4}},
        hate={"threshold": 0.5},
        privacy={"threshold": 0.1, "action": "flag"},
    )
    verdict = await judged(template, rules, Answering(0.45))
    assert verdict.findings[0].threshold == 0.4
    assert (await judged(template, rules, Answering(0.45), ANSWER)).findings[0].threshold == 0.5
    own = await judged(template, policy(S1={}), Answering(0.65))
    assert own.findings[0].threshold == 0.7
    assert own.passed


@pytest.mark.parametrize("family", ["llama_guard", "shieldgemma", "qwen3guard"])
async def test_a_judge_that_knows_none_of_the_hazards_passes_nothing(family: str) -> None:
    rules = policy(profanity={}) if family != "qwen3guard" else policy(code_interpreter_abuse={})
    with pytest.raises(JudgeError, match="asks nothing") as caught:
        await judged(template_of(family), rules, Answering())
    assert caught.value.reason == "no_question"


@pytest.mark.parametrize(
    ("family", "says"),
    [
        ("mizan", ["can't tell hazards apart", "only thresholds count"]),
        ("llama_guard", ["does not know profanity", "nothing asks for secrets"]),
        ("shieldgemma", ["does not know defamation, profanity", "nothing asks for secrets"]),
        ("qwen3guard", ["nothing asks for secrets"]),
        ("yes_no", []),
        ("granite_guardian", []),
    ],
)
def test_what_a_judge_leaves_out_is_said(family: str, says: list[str]) -> None:
    rules = Policy.model_validate(
        {
            "id": "p",
            "version": "1",
            "hazards": {"defamation": {}, "profanity": {}, "hate": {}},
            "criteria": [{"id": "secrets", "description": "figures"}],
        }
    )
    found = gaps(rules, template_of(family))
    assert len(found) == len(says)
    assert all(part in sentence for part, sentence in zip(says, found, strict=True))


def test_a_stage_that_is_all_blocked_is_said() -> None:
    assert [gap for gap in gaps(policy(profanity={}), template_of("llama_guard")) if "all is blocked" in gap]
    assert not gaps(policy(harm={}), template_of("llama_guard"))


@pytest.mark.parametrize(
    ("family", "asks"),
    [("yes_no", False), ("granite_guardian", False), ("llama_guard", True), ("mizan", True)],
)
def test_that_no_text_can_be_moderated_is_said(family: str, asks: bool) -> None:
    rules = policy(hate={"stages": ["prompt", "answer", "tool_call"]})
    said = [gap for gap in gaps(rules, template_of(family)) if "/v1/moderations" in gap]
    assert bool(said) is not asks


@pytest.mark.parametrize("family", ["llama_guard", "shieldgemma", "qwen3guard"])
async def test_what_a_judge_does_not_know_is_not_passed_by_what_only_flags(family: str) -> None:
    unknown = "code_interpreter_abuse" if family == "qwen3guard" else "profanity"
    hazards: dict[str, Any] = {unknown: {}, "hate": {"action": "flag"}}
    rules = policy(**hazards)
    template = template_of(family)
    with pytest.raises(JudgeError) as caught:
        await judged(template, rules, Answering(0.01))
    assert caught.value.reason == "no_question"
    assert len([gap for gap in gaps(rules, template) if "all is blocked" in gap]) == 3
    watching = policy("observe", **hazards)
    assert (await judged(template, watching, Answering(0.01))).passed
    assert not [gap for gap in gaps(watching, template) if "all is blocked" in gap]
