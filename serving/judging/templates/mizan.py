"""The built-in default judge: Gemma 3 270M fine-tuned by `models.training`.

The prompt is the one that the weights were trained on (`models.training.format`). The judge knows one
notion of harm and does not read free-text criteria; a policy's criteria set its threshold only. Label
probabilities are calibrated by the temperature that was fitted on the development split.
"""

from dataclasses import dataclass

from models.training.format import LABELS, UNSAFE_LABEL, Kind, Part, Turn, render, render_turns
from serving.judging.calibration import UNCALIBRATED, Calibration
from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.templates.reading import worst_piece
from serving.judging.verdict import Finding

_KINDS = {
    Stage.PROMPT: Kind.REQUEST,
    Stage.ANSWER: Kind.ANSWER,
    Stage.TOOL_CALL: Kind.ANSWER,
    Stage.TEXT: Kind.TEXT,
}
_CRITERIA = {kind: f"harmful-{kind.value}" for kind in Kind}


@dataclass(frozen=True, slots=True)
class Mizan:
    """A policy's own threshold goes before the calibrated one of the stage."""

    calibration: Calibration = UNCALIBRATED
    family: str = "mizan"

    def labels(self) -> tuple[str, ...]:
        return LABELS

    def questions(
        self,
        check: Check,
        policy: Policy,  # noqa: ARG002  this judge reads no criteria
    ) -> tuple[Question, ...]:
        segments = tuple(_segment(part) for part in _parts(check))
        return (Question(_CRITERIA[_KINDS[check.stage]], segments, LABELS, check.cache_salt),)

    def finding(self, question: Question, scores: LabelScores, policy: Policy) -> Finding:
        stages = tuple(stage for stage, kind in _KINDS.items() if _CRITERIA[kind] == question.criterion)
        strict = [
            criterion.threshold
            for criterion in policy.criteria
            if criterion.threshold is not None and not set(stages).isdisjoint(criterion.stages)
        ]
        worst = worst_piece(scores, (UNSAFE_LABEL,), self.calibration.temperature)
        return Finding(
            criterion=question.criterion,
            score=worst.score,
            label_mass=worst.mass,
            threshold=min(strict) if strict else self.calibration.threshold(stages[0]),
        )


def _parts(check: Check) -> tuple[Part, ...]:
    kind = _KINDS[check.stage]
    turns = tuple(_turn(message) for message in check.conversation)
    if check.stage is Stage.PROMPT:
        return render_turns(kind, turns)
    return render(kind, turns, check.text)


def _turn(message: Message) -> Turn:
    return Turn(message.role, message.text)


def _segment(part: Part) -> Segment:
    return Segment(
        part.text,
        trusted=part.trusted,
        splittable=part.judged,
        elastic=not part.trusted and not part.judged,
    )
