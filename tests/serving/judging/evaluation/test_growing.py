"""Answers that are judged as they grow: in the policy's windows, by the serving chain."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.rows import Row
from serving.judging.conversation import Check, Stage
from serving.judging.evaluation.growing import judge_growing, windows
from serving.judging.evaluation.runner import judge_rows
from serving.judging.policy import Criterion, Mode, Policy
from serving.judging.protocols import JudgeError
from serving.judging.verdict import Outcome, Verdict

TEXT = " ".join(f"word{number}" for number in range(100))


def policy(mode: Mode = Mode.WINDOW, hold_until: int = 0) -> Policy:
    criteria = (Criterion(id="harm", description="harm"),)
    return Policy(id="p", version="1", mode=mode, hold_until=hold_until, criteria=criteria)


@dataclass
class Reader:
    """Flags what ends in a word of `bad`, or fails there."""

    bad: str = ""
    fails: bool = False
    read: list[str] = field(default_factory=list)
    id: str = "reader"
    digest: str = "0" * 64

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        self.read.append(check.text)
        flagged = bool(self.bad) and check.text.rstrip().endswith(self.bad)
        if flagged and self.fails:
            raise JudgeError("timeout", "too late")
        outcome = Outcome.FLAGGED if flagged else Outcome.PASSED
        score = 0.9 if flagged else 0.1
        return Verdict(outcome, check.stage, self.id, self.digest, policy.id, policy.version, score=score)


def check(text: str = TEXT) -> Check:
    return Check(Stage.ANSWER, (), text)


@given(st.text(min_size=1), st.sampled_from((Mode.WINDOW, Mode.GATE)))
def test_windows_are_the_text(text: str, mode: Mode) -> None:
    parts = list(windows(text, policy(mode)))
    assert "".join(part for part, _ in parts) == text
    assert all(tokens > 0 for _, tokens in parts)


async def test_each_window_is_one_check_of_all_so_far() -> None:
    reader = Reader()
    judgement = await judge_growing(reader, policy(), check())
    assert judgement.verdict.passed
    assert len(reader.read) > 4
    assert all(longer.startswith(text) for text, longer in zip(reader.read, reader.read[1:], strict=False))
    assert reader.read[-1] == TEXT


async def test_a_gate_reads_once() -> None:
    reader = Reader()
    await judge_growing(reader, policy(Mode.GATE), check())
    assert reader.read == [TEXT]


@pytest.mark.parametrize(("hold_until", "passes"), [(0, False), (128, True)])
async def test_a_flagged_beginning_counts_as_it_would_in_a_stream(hold_until: int, passes: bool) -> None:
    reader = Reader(bad="word7")
    judgement = await judge_growing(reader, policy(hold_until=hold_until), check())
    assert "word7" in {text.split()[-1] for text in reader.read}, "the word ends no window"
    assert judgement.verdict.passed is passes


async def test_an_answer_that_cannot_be_judged_is_undecided() -> None:
    judgement = await judge_growing(Reader(bad="word99", fails=True), policy(), check())
    assert judgement.verdict.outcome is Outcome.UNDECIDED


async def test_rows_other_than_answers_are_judged_whole() -> None:
    rows = [
        Row.model_validate(
            {"id": kind, "lang": "en", "kind": kind, "text": TEXT, "label": "safe", "file": "f"}
        )
        for kind in ("prompt", "comment", "response")
    ]
    reader = Reader(bad="word99")
    judged = await judge_rows(reader, policy(), rows, concurrency=1, growing=True)
    assert [one.flagged for one in judged] == [False, True, True]
    assert reader.read[:2] == ["", TEXT]
    assert len(reader.read) > 6
