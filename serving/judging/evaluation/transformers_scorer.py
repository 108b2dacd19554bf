"""A scorer on plain transformers: slower than an engine, needs nothing running, for evaluation only."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from models.training.batches import batches
from models.training.network import last_logits, load_base
from serving.encoding import LabelError, PromptEncoder
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError
from serving.pieces import Fitted, fit

_Waiting = tuple[Question, Fitted, asyncio.Future[LabelScores]]


class TransformersScorer:
    """Scores on the CPU, all questions that wait at one time in batches of similar length.

    `limit` is the judge's context as it is served, `batch_tokens` the size of a batch, both in tokens.
    """

    def __init__(self, folder: Path, limit: int, batch_tokens: int = 2000) -> None:
        self._encoder = PromptEncoder(AutoTokenizer.from_pretrained(folder, local_files_only=True))
        self._model: Any = load_base(folder).eval()
        self._limit = limit
        self._batch_tokens = batch_tokens
        self._waiting: list[_Waiting] = []
        self._draining: asyncio.Task[None] | None = None

    async def score(self, questions: Sequence[Question]) -> Sequence[LabelScores]:
        """Raises JudgeError where a label is not one token or the text does not fit."""
        loop = asyncio.get_running_loop()
        # What cannot be asked fails here and alone: in a batch it would fail for all that wait.
        asked: list[_Waiting] = [
            (question, self._fitted(question), loop.create_future()) for question in questions
        ]
        self._waiting += asked
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return [await future for *_, future in asked]

    async def _drain(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # everybody who is about to ask gets into the batch
            asked, self._waiting = self._waiting, []
            try:
                for (*_, future), answer in zip(asked, self._answers(asked), strict=True):
                    future.set_result(answer)
            except Exception as error:  # noqa: BLE001 - whoever waits gets it, or would wait forever
                for *_, future in asked:
                    if not future.done():
                        future.set_exception(error)

    def _answers(self, asked: Sequence[_Waiting]) -> list[LabelScores]:
        owners = [index for index, (_, one, _) in enumerate(asked) for _ in one.prompts]
        prompts = [prompt for _, one, _ in asked for prompt in one.prompts]
        pieces: list[dict[str, float]] = [{} for _ in prompts]
        for batch in batches([len(prompt) for prompt in prompts], self._batch_tokens):
            for row, number in zip(self._logprobs([prompts[n] for n in batch]), batch, strict=True):
                labels = asked[owners[number]][0].labels
                pieces[number] = {label: float(row[self._label(label)]) for label in labels}
        return [
            LabelScores(
                pieces=tuple(piece for piece, owner in zip(pieces, owners, strict=True) if owner == index),
                prompt_tokens=sum(map(len, one.prompts)),
                context_shortened=one.context_shortened,
            )
            for index, (_, one, _) in enumerate(asked)
        ]

    def _logprobs(self, prompts: Sequence[Sequence[int]]) -> Any:
        with torch.inference_mode():
            return last_logits(self._model, prompts).log_softmax(dim=-1)

    def _fitted(self, question: Question) -> Fitted:
        for label in question.labels:
            self._label(label)
        return fit(self._encoder.encode(question), self._limit - 1, question.longest)

    def _label(self, label: str) -> int:
        try:
            return self._encoder.label(label)
        except LabelError as error:
            raise JudgeError("label", str(error)) from error
