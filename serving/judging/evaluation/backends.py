"""The judge to measure: a prepared model of the catalog or a folder, behind vLLM or plain transformers."""

import os
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from models.stated_error import StatedError
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

    @property
    def context(self) -> int:
        """Tokens of one question, at most, with either backend."""
        return int(self.arguments["max_model_len"])


class UnusableJudge(StatedError):  # noqa: N818 - says what is the case
    """The weights cannot be loaded, or do not speak the family's labels; the message names the folder."""


@asynccontextmanager
async def open_judge(model: JudgeModel, backend: Backend) -> AsyncGenerator[TemplateJudge]:
    """A judge ready to be asked; its engine is stopped at the end.

    Raises UnusableJudge, UnknownFamilyError and CalibrationError.
    """
    template = template_of(model.family, model.lineage, load_calibration(model.folder))
    if backend == "transformers":
        from serving.judging.evaluation.transformers_scorer import (  # noqa: PLC0415  imports torch
            TransformersScorer,
        )

        with _usable(model):
            scorer = TransformersScorer(model.folder, limit=model.context)
        yield TemplateJudge(template, scorer, model.id, model.digest)
        return
    os.environ.update(engine_environment("cpu", cpus=os.cpu_count() or 1))
    with _usable(model):
        from serving.engine import VllmEngine  # noqa: PLC0415  only where vLLM is wanted

        engine = await VllmEngine.start(model.arguments, chat=False)
    try:
        with _usable(model):
            engine.assert_labels(template.labels())
        yield TemplateJudge(template, _Raising(engine), model.id, model.digest)
    finally:
        engine.stop()


@contextmanager
def _usable(model: JudgeModel) -> Generator[None]:
    try:
        yield
    except Exception as error:
        # The libraries have no common error for wrong weights; they say it in the first line.
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnusableJudge(f"the judge in {model.folder} cannot be used: {said}") from error


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
