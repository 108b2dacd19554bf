"""A verdict: label probabilities turned into a decision, with everything needed to audit it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serving.judging.conversation import Stage


class Outcome(StrEnum):
    """`undecided` blocks wherever `flagged` does: the judge failed, was late, or was unsure."""

    PASSED = "passed"
    FLAGGED = "flagged"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one question found: `score` is the probability of a violation among the labels, 0 to 1.

    One that does not block is only reported with the verdict.
    """

    criterion: str
    score: float
    label_mass: float
    threshold: float
    category: str | None = None
    code: str | None = None
    blocks: bool = True

    @property
    def flagged(self) -> bool:
        return self.score >= self.threshold


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's decision on one check. Times in seconds; tokens as counted by the judge's engine.

    `earlier_turns`: the last message alone would have passed, what was asked in the whole conversation does
    not.
    """

    outcome: Outcome
    stage: Stage
    judge: str
    judge_digest: str
    policy: str
    policy_version: str
    policy_digest: str = ""
    score: float | None = None
    label_mass: float | None = None
    findings: tuple[Finding, ...] = ()
    reason: str | None = None
    latency: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    pieces: int = 1
    context_shortened: bool = False
    earlier_turns: bool = False

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED

    @property
    def categories(self) -> tuple[str, ...]:
        """What blocks, by name."""
        return tuple(f.category or f.criterion for f in self.findings if f.flagged and f.blocks)

    @property
    def noted(self) -> tuple[str, ...]:
        """What violates a rule that only flags, by name."""
        return tuple(f.category or f.criterion for f in self.findings if f.flagged and not f.blocks)


@dataclass(frozen=True, slots=True)
class LabelReading:
    """Softmax over the labels, and how much of the whole vocabulary's probability they hold."""

    probabilities: Mapping[str, float] = field(default_factory=dict)
    mass: float = 0.0


def read_labels(logprobs: Mapping[str, float], temperature: float = 1.0) -> LabelReading:
    """Turn label log-probabilities into a distribution over the labels.

    `mass` is the sum of exp(logprob), before any temperature. A label that is NaN or positive beyond
    rounding, or labels that together hold more than everything, make the whole reading void (mass 0), which a
    policy's floor then refuses. That no label is absent is for the caller to see to.
    """
    if not logprobs or any(math.isnan(value) or value > 1e-3 for value in logprobs.values()):
        return LabelReading()
    mass = math.fsum(math.exp(value) for value in logprobs.values())
    if mass > 1.01:
        return LabelReading()
    scaled = {label: value / temperature for label, value in logprobs.items()}
    top = max(scaled.values())
    if math.isinf(top):
        return LabelReading()
    weights = {label: math.exp(value - top) for label, value in scaled.items()}
    total = math.fsum(weights.values())
    return LabelReading({label: weight / total for label, weight in weights.items()}, min(mass, 1.0))
