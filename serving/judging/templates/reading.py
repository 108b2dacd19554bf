"""Reading label scores, shared by the families."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self

from serving.judging.hazards import Hazard
from serving.judging.prompt import LabelScores
from serving.judging.templates.bars import Bar
from serving.judging.verdict import Finding, read_labels


@dataclass(frozen=True, slots=True)
class Reading:
    """`score` is the probability of the unsafe labels among all labels; `mass` the least over all pieces."""

    score: float
    mass: float

    def lowered(self, log_odds: float) -> Self:
        """The same with the score's log-odds lowered by so much; a score outside 0 to 1 stays as it is."""
        if not 0.0 < self.score < 1.0:
            return self
        odds = self.score / (1 - self.score) * math.exp(-log_odds)
        return replace(self, score=odds / (1 + odds))


def worst_piece(scores: LabelScores, unsafe: Collection[str], temperature: float = 1.0) -> Reading:
    """The highest score of any piece. A piece that cannot be read has mass 0, which a policy's floor refuses.

    No pieces at all reads as mass 0 too.
    """
    readings = [read_labels(piece, temperature) for piece in scores.pieces]
    if not readings:
        return Reading(0.0, 0.0)
    return Reading(
        score=max(sum(reading.probabilities.get(label, 0.0) for label in unsafe) for reading in readings),
        mass=min(reading.mass for reading in readings),
    )


def found(
    reading: Reading, bar: Bar, criterion: str, hazard: Hazard | None = None, code: str | None = None
) -> Finding:
    """What a reading means under the policy's bar."""
    return Finding(
        criterion=criterion,
        score=reading.score,
        label_mass=reading.mass,
        threshold=bar.threshold,
        category=None if hazard is None else hazard.value,
        code=code,
        blocks=bar.blocks,
    )


def likeliest(scores: LabelScores, decided: LabelScores, unsafe: str) -> str:
    """The likeliest label at the piece of the text that was found the most unsafe.

    `decided` are the scores of the question before, on the same pieces.
    """
    shares = [read_labels(piece).probabilities.get(unsafe, 0.0) for piece in decided.pieces]
    place = min(shares.index(max(shares)), len(scores.pieces) - 1)
    return max(scores.pieces[place], key=lambda label: scores.pieces[place][label])
