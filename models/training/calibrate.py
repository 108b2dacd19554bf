"""Calibration on development rows: one temperature, and one threshold for each kind of question.

One threshold for each kind and none by language: whoever writes the text chooses its language, and would
choose the loosest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.training.examples import Example
from models.training.measure import probability

MOST_FALSE_ALARMS = {"request": 0.03, "answer": 0.01, "text": 0.20}
"""Share of harmless development rows that may be flagged, by kind.

An answer is judged many times while it grows, so it has the strictest bound. Half of the harmless texts are
tweets whose labels are noisy and often wrong, so theirs is looser than what well-labelled texts will see.
"""

EVERYDAY_TEXTS = "doda-darija"
"""Harmless by source and well labelled, so that they have a bound of their own beside that of all texts."""

MOST_EVERYDAY_ALARMS = 0.05

LONG_TEXTS = "long-texts"
"""Texts of several pieces, of which the worst counts: the bound that keeps documents from being flagged."""

MOST_LONG_ALARMS = 0.05

_STAGES = {"request": ("prompt",), "answer": ("answer", "tool_call"), "text": ("text",)}


@dataclass(frozen=True, slots=True)
class Fitted:
    """`cutoffs` are raw log-odds by kind; `thresholds` the same as calibrated probabilities by stage."""

    temperature: float
    cutoffs: dict[str, float]
    thresholds: dict[str, float]


def fit(examples: Sequence[Example], logits: Sequence[float]) -> Fitted:
    """Fit on a development split."""
    temperature = _temperature(examples, logits)
    cutoffs = {}
    for kind in sorted({example.kind.value for example in examples}):
        members = [index for index, example in enumerate(examples) if example.kind.value == kind]
        cutoffs[kind] = _cutoff(kind, [examples[i] for i in members], [logits[i] for i in members])
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


def _cutoff(kind: str, examples: Sequence[Example], logits: Sequence[float]) -> float:
    """The least cutoff that keeps to the bounds on false alarms, and so the most recall within them."""
    scored = list(zip(examples, logits, strict=True))
    harmless = [logit for example, logit in scored if not example.unsafe and example.file != LONG_TEXTS]
    of_file = {
        file: [logit for example, logit in scored if example.file == file and not example.unsafe]
        for file in (EVERYDAY_TEXTS, LONG_TEXTS)
    }
    bounds = (
        (harmless, MOST_FALSE_ALARMS[kind]),
        (of_file[EVERYDAY_TEXTS], MOST_EVERYDAY_ALARMS),
        (of_file[LONG_TEXTS], MOST_LONG_ALARMS),
    )
    candidates = [round(-3 + 0.05 * step, 2) for step in range(161)]
    for cutoff in candidates:
        if all(sum(logit >= cutoff for logit in some) <= most * len(some) for some, most in bounds):
            return cutoff
    return candidates[-1]
