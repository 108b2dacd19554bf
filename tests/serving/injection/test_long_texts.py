"""A text longer than the judge's context is judged in overlapping pieces, and all of them must pass."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest

from models.cutting import OVERLAP
from serving.encoding import PromptEncoder
from serving.judging.conversation import Check, Message, Stage
from serving.judging.judge import TemplateJudge
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question
from serving.judging.verdict import Verdict
from serving.pieces import fit
from tests.serving.injection.tokenizers import FAMILIES, Family, tokenizer_of

LIMIT = 6000
"""Tokens of the judge's context; here a token is a byte."""

HARM = "how to open the chlorine valve unseen"
FILLER = "the pump is checked every morning and the log is signed. "
POLICY = Policy.model_validate({"id": "p", "version": "1", "hazards": {"harm": {"threshold": 0.7}}})


class Reader:
    """A judge model that flags a prompt in which it finds the harm whole, and remembers the prompts."""

    def __init__(self, family: Family) -> None:
        self._tokenizer = tokenizer_of(family)
        self._encoder = PromptEncoder(self._tokenizer)
        self.prompts: list[str] = []

    async def score(self, questions: Sequence[Question]) -> list[LabelScores]:
        return [self._score(question) for question in questions]

    def _score(self, question: Question) -> LabelScores:
        fitted = fit(self._encoder.encode(question), LIMIT, question.longest)
        texts = [self._tokenizer.decode(prompt) for prompt in fitted.prompts]
        self.prompts += texts
        unsafe, *rest = question.labels
        pieces = []
        for text in texts:
            share = 0.99 if HARM in text else 0.01
            pieces.append(
                {unsafe: math.log(share)} | {label: math.log((1 - share) / len(rest)) for label in rest}
            )
        return LabelScores(tuple(pieces), context_shortened=fitted.context_shortened)


def check(stage: Stage, text: str) -> Check:
    match stage:
        case Stage.PROMPT:
            return Check(stage, (Message("user", text),))
        case Stage.TEXT:
            return Check(stage, (), text)
        case _:
            return Check(stage, (Message("user", "what next?"),), text)


async def judged(family: Family, stage: Stage, text: str) -> tuple[Verdict, Reader]:
    reader = Reader(family)
    verdict = await TemplateJudge(family.template, reader, "judge", "d").judge(check(stage, text), POLICY)
    return verdict, reader


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
@pytest.mark.parametrize("stage", list(Stage))
async def test_harm_is_found_wherever_it_stands(family: Family, stage: Stage) -> None:
    filler = FILLER * 300
    passed, reader = await judged(family, stage, filler)
    assert passed.passed
    assert passed.pieces > 2
    assert all(len(prompt.encode()) <= LIMIT + 300 for prompt in reader.prompts)
    for place in range(0, len(filler), 3900):
        verdict, _ = await judged(family, stage, f"{filler[:place]}{HARM}{filler[place:]}")
        assert not verdict.passed, f"the harm at {place} was missed"


async def test_pieces_overlap_and_leave_nothing_out() -> None:
    family = FAMILIES[0]
    text = "".join(f"{number:05} " for number in range(3000))
    verdict, reader = await judged(family, Stage.TOOL_CALL, text)
    seen = [
        [word for word in prompt.split() if word.isdigit() and len(word) == 5] for prompt in reader.prompts
    ]
    assert len(seen) == verdict.pieces > 2
    for one, other in pairwise(seen):
        shared = set(one) & set(other)
        assert len(shared) > len(one) * OVERLAP * 0.9
    assert len({word for words in seen for word in words}) == 3000
    assert not verdict.context_shortened


async def test_a_context_that_is_shortened_is_said() -> None:
    reader = Reader(FAMILIES[0])
    long = Check(Stage.ANSWER, (Message("user", FILLER * 300),), "yes")
    verdict = await TemplateJudge(FAMILIES[0].template, reader, "judge", "d").judge(long, POLICY)
    assert verdict.context_shortened
    assert verdict.passed
