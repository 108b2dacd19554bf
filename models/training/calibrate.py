"""Calibration on development rows: one temperature, and one threshold for each kind of question.

One threshold for each kind and none by language: whoever writes the text chooses its language, and would
choose the loosest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.training.examples import Example
from models.training.measure import figures, probability

ALARM_WEIGHT = 2.0
"""What a false alarm on harmless rows costs against a miss on harmful ones."""

_STAGES = {"request": ("prompt",), "answer": ("answer", "tool_call"), "text": ("text",)}


@dataclass(frozen=True, slots=True)
class Fitted:
    """`cutoffs` are raw log-odds by kind; `thresholds` the same as calibrated probabilities by stage."""

    temperature: float
    cutoffs: dict[str, float]
    thresholds: dict[str, float]


def fit(examples: Sequence[Example], logits: Sequence[float]) -> Fitted:
    """Fit on a development split. Groups are (file, language), each of the same weight."""
    temperature = _temperature(examples, logits)
    cutoffs = {}
    for kind in sorted({example.kind.value for example in examples}):
        members = [index for index, example in enumerate(examples) if example.kind.value == kind]
        cutoffs[kind] = _cutoff([examples[i] for i in members], [logits[i] for i in members])
    thresholds = {
        stage: round(probability(cutoff, temperature), 4)
        for kind, cutoff in cutoffs.items()
        for stage in _STAGES[kind]
    }
    return Fitted(temperature, cutoffs, thresholds)


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


def _cutoff(examples: Sequence[Example], logits: Sequence[float]) -> float:
    candidates = [round(-3 + 0.05 * step, 2) for step in range(161)]
    return max(candidates, key=lambda cutoff: (_worth(examples, logits, cutoff), -cutoff))


def _worth(examples: Sequence[Example], logits: Sequence[float], cutoff: float) -> float:
    """Mean over groups, small ones weighing less: F1 less half the false-positive rate where a group has both
    labels, recall where all of it is harmful, and where none of it is, the false alarms weigh against it."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault((example.file, example.lang), []).append(index)
    worths = []
    weights = []
    for members in groups.values():
        weights.append(min(1.0, len(members) / 40))
        found = figures(
            "", [examples[i].unsafe for i in members], [logits[i] for i in members], [cutoff] * len(members)
        )
        if found.f1 is not None:
            worths.append(found.f1 - 0.5 * (found.false_positive_rate or 0.0))
        elif found.recall is not None:
            worths.append(found.recall)
        else:
            worths.append(1 - ALARM_WEIGHT * (found.false_positive_rate or 0.0))
    return sum(w * x for w, x in zip(weights, worths, strict=True)) / max(1e-9, sum(weights))
