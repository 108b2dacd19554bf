"""Calibration on development rows: one temperature, and one threshold for each kind of question.

One threshold for each kind and none by language: whoever writes the text chooses its language, and would
choose the loosest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.stated_error import StatedError
from models.training.examples import Example
from models.training.measure import probability
from models.training.scoring import Score

MOST_FALSE_ALARMS = {"request": 0.03, "answer": 0.01, "text": 0.20}
"""Share of harmless development rows that may be flagged, by kind.

An answer is judged many times while it grows, so it has the strictest bound. Half of the harmless texts are
tweets whose labels are noisy and often wrong, so theirs is looser than what well-labelled texts will see.
"""

MOST_ALARMS_IN = {"doda-darija": 0.045, "omcd-eval-only-darija": 0.24}
"""The same of harmless texts of one file, beside the bound of all: everyday Darija, and Moroccan comments.

A little under what is aimed at (5 and 25 %), since the rows are few; all there are count.
"""

MOST_LONG_ALARMS = {"request": 0.03, "answer": 0.05, "text": 0.10}
"""Share of harmless texts of several pieces that may be flagged, by kind.

The worst piece counts, and the worst of several scores higher than one alone: so these texts have a bar of
their own, which is never the lower one.
"""


class CalibrationError(StatedError, ValueError):
    """No threshold keeps to the bounds on false alarms."""


_STAGES = {"request": ("prompt",), "answer": ("answer", "tool_call"), "text": ("text",)}


@dataclass(frozen=True, slots=True)
class Fitted:
    """`cutoffs` are raw log-odds by kind; `lowered` is by how much the raw log-odds of a text of several
    pieces are lowered, by kind."""

    temperature: float
    cutoffs: dict[str, float]
    lowered: dict[str, float]

    @property
    def thresholds(self) -> dict[str, float]:
        """The cutoffs as calibrated probabilities, by stage."""
        return _by_stage({kind: probability(z, self.temperature) for kind, z in self.cutoffs.items()})

    @property
    def several_pieces(self) -> dict[str, float]:
        """`lowered` in calibrated log-odds, by stage."""
        return _by_stage({kind: z / self.temperature for kind, z in self.lowered.items()})

    def decisive(self, example: Example, score: Score) -> float:
        """The log-odds that are held against the cutoff."""
        return score.logit - (self.lowered[example.kind.value] if score.pieces > 1 else 0.0)


def fit(examples: Sequence[Example], scores: Sequence[Score]) -> Fitted:
    """Fit on a development split: all but the last step on texts that were read at once."""
    scored = list(zip(examples, scores, strict=True))
    at_once = [(example, score.logit) for example, score in scored if score.pieces == 1]
    temperature = _temperature([example for example, _ in at_once], [logit for _, logit in at_once])
    cutoffs, lowered = {}, {}
    for kind in sorted({example.kind.value for example in examples}):
        short = [(example, logit) for example, logit in at_once if example.kind.value == kind]
        long = [
            score.logit
            for example, score in scored
            if score.pieces > 1 and example.kind.value == kind and not example.unsafe
        ]
        cutoffs[kind] = _cutoff(kind, short)
        lowered[kind] = round(max(0.0, _least([(long, MOST_LONG_ALARMS[kind])]) - cutoffs[kind]), 2)
    return Fitted(temperature, cutoffs, lowered)


def _by_stage(values: dict[str, float]) -> dict[str, float]:
    return {stage: round(value, 4) for kind, value in values.items() for stage in _STAGES[kind]}


def _temperature(examples: Sequence[Example], logits: Sequence[float]) -> float:
    """The temperature of the least mean negative log-likelihood, safe and unsafe rows weighing the same."""
    unsafe = max(1, sum(example.unsafe for example in examples))
    safe = max(1, len(examples) - unsafe)

    def loss(temperature: float) -> float:
        total = 0.0
        for example, logit in zip(examples, logits, strict=True):
            right = probability(logit if example.unsafe else -logit, temperature)
            total -= math.log(max(right, 1e-12)) / (unsafe if example.unsafe else safe)
        return total

    return min((round(0.5 + 0.05 * step, 2) for step in range(71)), key=loss)


def _cutoff(kind: str, scored: Sequence[tuple[Example, float]]) -> float:
    """The least cutoff that keeps to the bounds on false alarms, and so the most recall within them."""
    harmless = [logit for example, logit in scored if not example.unsafe]
    bounds = [(harmless, MOST_FALSE_ALARMS[kind])]
    for file, most in MOST_ALARMS_IN.items():
        bounds.append(([z for example, z in scored if example.file == file and not example.unsafe], most))
    return _least(bounds)


def _least(bounds: Sequence[tuple[Sequence[float], float]]) -> float:
    """The least cutoff within all bounds. Raises CalibrationError where there is none that makes sense."""
    candidates = [round(-3 + 0.05 * step, 2) for step in range(161)]
    for cutoff in candidates:
        if all(sum(logit >= cutoff for logit in some) <= most * len(some) for some, most in bounds):
            return cutoff
    raise CalibrationError(
        f"more harmless rows than may be flagged have log-odds above {candidates[-1]}: "
        "this adapter does not tell harmless from harmful"
    )
