"""The judge to measure: a prepared model of the catalog or a folder, behind vLLM or plain transformers."""

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from serving.engine_environment import engine_environment
from serving.judging.calibration import load_calibration
from serving.judging.judge import TemplateJudge
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError
from serving.judging.templates.families import template_of

Backend = Literal["transformers", "vllm"]


@dataclass(frozen=True, slots=True)
class JudgeModel:
    """Weights to be judged with. `arguments` are vLLM's engine arguments."""

    id: str
    folder: Path
    family: str
    digest: str
    lineage: tuple[str, ...]
    arguments: dict[str, Any]


@asynccontextmanager
async def open_judge(model: JudgeModel, backend: Backend) -> AsyncGenerator[TemplateJudge]:
    """A judge ready to be asked; its engine is stopped at the end."""
    template = template_of(model.family, model.lineage, load_calibration(model.folder))
    if backend == "transformers":
        from serving.judging.evaluation.transformers_scorer import (  # noqa: PLC0415  imports torch
            TransformersScorer,
        )

        yield TemplateJudge(template, TransformersScorer(model.folder), model.id, model.digest)
        return
    os.environ.update(engine_environment("cpu", cpus=os.cpu_count() or 1))
    from serving.engine import VllmEngine  # noqa: PLC0415  only where vLLM is wanted

    engine = await VllmEngine.start(model.arguments, chat=False)
    try:
        engine.assert_labels(template.labels())
        yield TemplateJudge(template, _Raising(engine), model.id, model.digest)
    finally:
        engine.stop()


class _Raising:
    """An engine reports a failed question in its place; a judge wants it raised."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    async def score(self, questions: Sequence[Question]) -> Sequence[LabelScores]:
        answers: list[LabelScores] = []
        for answer in await self._engine.score(questions):
            if isinstance(answer, JudgeError):
                raise answer
            answers.append(answer)
        return answers
