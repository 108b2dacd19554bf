"""The built-in default judge: Gemma 3 270M fine-tuned by `models.training`.

The prompt is the one that the weights were trained on (`models.training.format`). The judge knows one
notion of harm: it neither tells hazards apart nor reads free-text criteria. Its threshold is the least of the
policy's rules at the stage, where a rule without one has the calibrated one. Label probabilities are
calibrated by the temperature that was fitted on the development split.
"""

from dataclasses import dataclass

from models.training.format import LABELS, LONGEST, UNSAFE_LABEL, Kind, Part, Turn, render, render_turns
from serving.judging.calibration import UNCALIBRATED, Calibration
from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.templates.bars import one_bar
from serving.judging.templates.base import OneRound, Scope
from serving.judging.templates.quoting import Structure, quoted
from serving.judging.templates.reading import found, worst_piece
from serving.judging.verdict import Finding

_KINDS = {
    Stage.PROMPT: Kind.REQUEST,
    Stage.ANSWER: Kind.ANSWER,
    Stage.TOOL_CALL: Kind.ANSWER,
    Stage.TEXT: Kind.TEXT,
}
_STRUCTURE = Structure(lines=tuple(f"Harmful {kind.value}?" for kind in Kind))


@dataclass(frozen=True, slots=True)
class Mizan(OneRound):
    """A policy's own threshold goes before the calibrated one of the stage."""

    calibration: Calibration = UNCALIBRATED
    family: str = "mizan"

    def scope(self) -> Scope:
        return Scope(hazards=None)

    def labels(self) -> tuple[str, ...]:
        return LABELS

    def questions(
        self,
        check: Check,
        policy: Policy,  # noqa: ARG002  this judge reads no rules
    ) -> tuple[Question, ...]:
        segments = tuple(_segment(part) for part in _parts(check))
        criterion = f"harmful-{_KINDS[check.stage].value}"
        return (Question(criterion, segments, LABELS, check.cache_salt, check.stage, LONGEST),)

    def finding(self, question: Question, scores: LabelScores, policy: Policy) -> Finding:
        bar = one_bar(policy, question.stage, self.calibration.threshold(question.stage))
        reading = worst_piece(scores, (UNSAFE_LABEL,), self.calibration.temperature)
        if len(scores.pieces) > 1:
            reading = reading.lowered(self.calibration.several_pieces.get(question.stage, 0.0))
        return found(reading, bar, question.criterion)


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
        part.text if part.trusted else quoted(part.text, _STRUCTURE, opening=True),
        trusted=part.trusted,
        splittable=part.judged,
        elastic=not part.trusted and not part.judged,
    )
