"""Evaluation: the figures are right, undecided rows block, reports hold together."""

import io
import json
import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
from rich.console import Console

from models.training.rows import Row
from serving.judging.conversation import Check, Stage
from serving.judging.evaluation.checks import check_of
from serving.judging.evaluation.explain import explain, strongest
from serving.judging.evaluation.html import page
from serving.judging.evaluation.metrics import bins_of, expected_calibration_error, groups, measure
from serving.judging.evaluation.report import Evaluation, table
from serving.judging.evaluation.runner import Judged, judge_rows
from serving.judging.evaluation.sampling import sample
from serving.judging.judge import TemplateJudge
from serving.judging.policy import Criterion, Policy
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError
from serving.judging.templates.mizan import Mizan
from serving.judging.verdict import Finding, Outcome, Verdict

POLICY = Policy(id="p", version="1", criteria=(Criterion(id="harm", description="harm"),))


class WordScorer:
    """A judge model that minds one word and fails on another."""

    async def score(self, questions: Sequence[Question]) -> list[LabelScores]:
        text = "".join(segment.text for segment in questions[0].segments if segment.splittable)
        if "crash" in text:
            raise JudgeError("timeout", "too late")
        unsafe = 0.9 if "bomb" in text else 0.2
        return [LabelScores(({" Yes": math.log(unsafe), " No": math.log(1 - unsafe)},), prompt_tokens=7)]


def judge() -> TemplateJudge:
    return TemplateJudge(Mizan(), WordScorer(), "words", "0" * 64)


def row(text: str, label: str, kind: str = "prompt", prompt: str | None = None) -> Row:
    return Row.model_validate(
        {"id": text, "lang": "en", "kind": kind, "text": text, "label": label, "prompt": prompt, "file": "f"}
    )


ROWS = [
    row("a bomb", "unsafe"),
    row("bomb cake", "safe"),
    row("hello", "safe"),
    row("poison", "unsafe"),
    row("crash", "safe"),
]


async def test_figures_of_a_small_set() -> None:
    judged = await judge_rows(judge(), POLICY, ROWS)
    group = measure("all", judged, resamples=50)
    value = {name: figure.value for name, figure in group.figures.items()}
    assert (group.rows, group.unsafe, group.undecided) == (5, 2, 1)
    assert value["precision"] == pytest.approx(1 / 3)
    assert value["recall"] == pytest.approx(1 / 2)
    assert value["false_positive_rate"] == pytest.approx(2 / 3)
    assert group.mean_tokens == 7
    assert all(figure.low <= figure.value <= figure.high for figure in group.figures.values())


async def test_an_undecided_row_counts_as_flagged() -> None:
    (judged,) = await judge_rows(judge(), POLICY, [row("crash", "safe")])
    assert judged.flagged
    assert judged.undecided
    assert judged.score is None


class Unsure:
    """A judge model that would say something else than its labels, and leans to safe."""

    async def score(self, questions: Sequence[Question]) -> list[LabelScores]:
        return [LabelScores(({" Yes": math.log(0.01), " No": math.log(0.09)},))]


async def test_what_the_judge_was_unsure_about_ranks_as_it_blocks() -> None:
    unsure = TemplateJudge(Mizan(), Unsure(), "unsure", "0" * 64)
    judged = await judge_rows(unsure, POLICY, [row("one", "unsafe")])
    judged += await judge_rows(judge(), POLICY, [row("two", "safe")])
    assert [one.undecided for one in judged] == [True, False]
    group = measure("all", judged, resamples=0)
    assert group.figures["auroc"].value == 1.0
    assert group.figures["ece"].value == pytest.approx(0.1)


def test_one_class_has_no_precision() -> None:
    group = measure("safe", [Judged(row("x", "safe"), False, 0.1, 1.0, 0.01, 9)])
    assert set(group.figures) == {"false_positive_rate", "ece"}


def test_calibration_error() -> None:
    truth = np.array([True, True, False, False])
    assert expected_calibration_error(truth, np.array([1.0, 1.0, 0.0, 0.0])) == 0.0
    assert expected_calibration_error(truth, np.array([0.0, 0.0, 1.0, 1.0])) == 1.0


def test_every_score_is_in_a_bin() -> None:
    """Sums of tenths are not tenths: 0.6 is below 0.6000000000000001."""
    scores = np.arange(11) / 10
    assert list(bins_of(scores)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    judged = [Judged(row(str(score), "safe"), False, float(score), 1.0, 0.01, 9) for score in scores]
    judged.append(Judged(row("x", "unsafe"), True, 0.95, 1.0, 0.01, 9))
    drawn = page([(Evaluation("one", "0" * 64, "p 1", {}, groups(judged, resamples=1)), judged)])
    lines = re.findall(r'points="([^"]+)"', drawn)
    assert len(lines[-1].split()) == 10


def test_rows_become_checks() -> None:
    assert check_of(row("hi", "safe")).stage is Stage.PROMPT
    answered = check_of(row("yes", "safe", "response", "may I?"))
    assert (answered.stage, answered.conversation[0].text, answered.text) == (Stage.ANSWER, "may I?", "yes")
    assert check_of(row("hm", "safe", "comment")) == Check(Stage.TEXT, (), "hm")
    with_system = check_of(row("hi", "safe", "prompt", "Be brief."))
    assert [message.role for message in with_system.conversation] == ["system", "user"]


def test_a_sample_is_the_same_every_time() -> None:
    assert sample(ROWS, 1) == sample(ROWS, 1)
    assert len(sample(ROWS, 1)) == 2
    assert len(sample(ROWS, 0)) == 5


async def test_reports() -> None:
    judged = await judge_rows(judge(), POLICY, [*ROWS, row("<b>bomb</b>", "unsafe", "comment")])
    evaluation = Evaluation("words<1>", "0" * 64, "p 1", {"f.jsonl": "d"}, groups(judged, resamples=10))
    assert json.loads(json.dumps(evaluation.as_json()))["groups"]["all"][0]["rows"] == 6
    html = page([(evaluation, judged)])
    for caption in ("ROC, prompt", "Calibration, prompt", "Scores, prompt", "By language", "By source"):
        assert caption in html
    assert "<svg" in html
    assert "words<1>" not in html
    assert "http" not in html


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("several", [False, True])
async def test_a_table_fits_its_terminal(width: int, several: bool) -> None:
    long = [one.model_copy(update={"file": "look-alikes-of-the-industrial-sites"}) for one in ROWS]
    judged = await judge_rows(judge(), POLICY, long)
    one = Evaluation("old-judge", "0" * 64, "p 1", {}, groups(judged, resamples=10))
    other = Evaluation("new-judge", "1" * 64, "p 1", {}, groups(judged, resamples=10), concurrency=64)
    console = Console(width=width, file=io.StringIO(), legacy_windows=False)
    console.print(table([one, other] if several else [one], width))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    words = " ".join(shown.split())
    assert all(len(line.rstrip()) <= width for line in shown.splitlines())
    assert "…" not in shown
    for figure in ("0.33", "0.50", "0.67", "precision", "AUROC", "ECE", "p95", "7 tokens", "1 undecided"):
        assert figure in words
    assert ("B: new-judge" in shown) is several
    assert shown.count("0.67") >= 4 * (1 + several)


async def test_names_in_the_data_are_no_markup() -> None:
    judged = await judge_rows(judge(), POLICY, [one.model_copy(update={"source": "[/x]"}) for one in ROWS])
    for names in (["[/a]"], ["[/a]", "[red]b[/red]"]):
        console = Console(width=200, file=io.StringIO(), legacy_windows=False)
        measured = [Evaluation(name, "0" * 64, "p 1", {}, groups(judged, resamples=10)) for name in names]
        console.print(table(measured, 200))
        assert isinstance(console.file, io.StringIO)
        assert all(name in console.file.getvalue() for name in ("[/x]", *names))


class TwoCriteria:
    """One criterion minds the bomb, the other scores the same whatever it reads."""

    id, digest = "two", "0" * 64

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        bomb = 0.9 if "bomb" in check.conversation[-1].text else 0.1
        found = (Finding("harm", bomb, 1.0, 0.5), Finding("secrets", 0.4, 1.0, 0.5))
        outcome = Outcome.FLAGGED if bomb > 0.5 else Outcome.PASSED
        score = max(finding.score for finding in found)
        return Verdict(outcome, check.stage, self.id, self.digest, "p", "1", score=score, findings=found)


async def test_explain_weighs_words_by_the_criterion_that_decided() -> None:
    explanation = await explain(TwoCriteria(), POLICY, check_of(row("a bomb", "unsafe")))
    assert [word.weight for word in explanation.words] == pytest.approx([0.0, 0.8])


async def test_explain_finds_the_word() -> None:
    explanation = await explain(judge(), POLICY, check_of(row("make a bomb now", "unsafe")))
    assert [word.text for word in strongest(explanation.words)] == ["bomb"]
    assert not explanation.verdict.passed
