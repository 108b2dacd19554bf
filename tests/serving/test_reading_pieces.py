"""How the judge's engine reads the pieces of a long text, over an engine that is scripted."""

import asyncio
import math
import sys
from collections.abc import AsyncGenerator
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from serving.engine import PIECES_AT_ONCE, VllmEngine
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.protocols import JudgeError

SOUND = -0.7


class Letters:
    """A tokenizer with a token for each character."""

    added_tokens_decoder: ClassVar[dict[int, Any]] = {}
    all_special_ids: ClassVar[list[int]] = []
    unk_token_id = None

    def encode(self, text: str, **_: Any) -> list[int]:
        return [ord(one) for one in text]


class Scripted:
    """Answers every prompt with the same log-probability, or fails at one of them."""

    def __init__(self, logprob: float = SOUND, fails_at: int = 0) -> None:
        self.logprob = logprob
        self.asked = 0
        self._fails_at = fails_at

    async def generate(self, prompt: Any, params: Any, request: str) -> AsyncGenerator[Any]:
        self.asked += 1
        failing = self.asked == self._fails_at
        await asyncio.sleep(0)
        if failing:
            raise RuntimeError(request, prompt, params)
        step = {ord(label): SimpleNamespace(logprob=self.logprob) for label in "YN"}
        yield SimpleNamespace(outputs=[SimpleNamespace(logprobs=[step])], num_cached_tokens=0)


@pytest.fixture(autouse=True)
def _no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    vllm = ModuleType("vllm")
    vars(vllm).update(SamplingParams=dict, TokensPrompt=dict)
    monkeypatch.setitem(sys.modules, "vllm", vllm)


def reader(scripted: Scripted) -> VllmEngine:
    engine = VllmEngine(scripted, None, Letters(), "judge", max_model_len=101)
    engine.assert_labels(["Y", "N"])
    return engine


def long(length: int) -> Question:
    return Question("harm", (Segment("x" * length, splittable=True),), ("Y", "N"), "tenant")


async def test_what_is_no_number_is_not_remembered() -> None:
    """It leaves the text undecided this once: a passing fault of an engine must not block it from then on."""
    scripted = Scripted(math.nan)
    engine = reader(scripted)
    [first] = await engine.score([long(300)])
    assert isinstance(first, LabelScores)
    assert all(math.isnan(piece["Y"]) for piece in first.pieces)
    scripted.logprob = SOUND
    [again] = await engine.score([long(300)])
    assert isinstance(again, LabelScores)
    assert all(piece == {"Y": SOUND, "N": SOUND} for piece in again.pieces)


async def test_once_a_piece_fails_the_others_are_not_read_any_more() -> None:
    scripted = Scripted(fails_at=3)
    engine = reader(scripted)
    [failed] = await engine.score([long(5000)])
    assert isinstance(failed, JudgeError)
    for _ in range(50):
        await asyncio.sleep(0)
    assert scripted.asked <= 3 + PIECES_AT_ONCE
