"""Reading label scores, shared by the families."""

from collections.abc import Collection
from dataclasses import dataclass

from serving.judging.prompt import LabelScores
from serving.judging.verdict import read_labels


@dataclass(frozen=True, slots=True)
class Reading:
    """`score` is the probability of the unsafe labels among all labels; `mass` the least over all pieces."""

    score: float
    mass: float


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
