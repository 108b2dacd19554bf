"""A scorer on plain transformers: slower than an engine, needs nothing running, for evaluation only."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError
from serving.pieces import Encoded, fit


class TransformersScorer:
    """Scores one question after the other on the CPU. `limit` is the judge's context in tokens."""

    def __init__(self, folder: Path, limit: int = 4096) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16, attn_implementation="eager", local_files_only=True
        ).eval()
        self._limit = limit

    async def score(self, questions: Sequence[Question]) -> Sequence[LabelScores]:
        """Raises JudgeError where a label is not one token or the text does not fit."""
        await asyncio.sleep(0)
        return [self._score(question) for question in questions]

    def _score(self, question: Question) -> LabelScores:
        labels = {label: self._label(label) for label in question.labels}
        segments = [
            Encoded(
                self._tokenizer.encode(
                    segment.text, add_special_tokens=False, split_special_tokens=not segment.trusted
                ),
                segment.splittable,
                segment.elastic,
            )
            for segment in question.segments
        ]
        fitted = fit(segments, self._limit - 1)
        pieces = []
        with torch.inference_mode():
            for prompt in fitted.prompts:
                states = self._model.model(
                    input_ids=torch.tensor([prompt]), use_cache=False
                ).last_hidden_state
                weights = self._model.get_output_embeddings().weight
                logprobs = (states[0, -1] @ weights.T).float().log_softmax(dim=-1)
                pieces.append({label: float(logprobs[token]) for label, token in labels.items()})
        return LabelScores(
            pieces=tuple(pieces),
            prompt_tokens=sum(map(len, fitted.prompts)),
            context_shortened=fitted.context_shortened,
        )

    def _label(self, label: str) -> int:
        ids = self._tokenizer.encode(label, add_special_tokens=False)
        if len(ids) != 1:
            raise JudgeError("label", f"label {label!r} is {len(ids)} tokens, must be one")
        return int(ids[0])
