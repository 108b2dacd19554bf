"""What the judge found about a whole answer, in the form that clients read."""

from dataclasses import dataclass, field
from typing import Any

from serving.judging.conversation import Stage
from serving.judging.policy import Policy
from serving.judging.verdict import Outcome, Verdict


@dataclass(slots=True)
class Tally:
    """Tokens of the native model.

    `judged` were covered by a passing verdict, `released` left, `wasted` were generated and thrown away,
    `exposed` had left before the first finding (0 unless the policy only observes).
    """

    generated: int = 0
    judged: int = 0
    released: int = 0
    exposed: int = 0

    @property
    def wasted(self) -> int:
        return self.generated - self.released

    def add(self, other: "Tally") -> None:
        self.generated += other.generated
        self.judged += other.judged
        self.released += other.released
        self.exposed += other.exposed


@dataclass(slots=True)
class Judgement:
    """The verdicts on one answer: of one choice, or of all of them with the prompt."""

    policy: Policy
    verdict: Verdict
    tally: Tally = field(default_factory=Tally)
    calls: int = 0
    held: int = 0
    """Checks that flagged a beginning, which was held back and judged again with what followed."""
    seconds: float = 0.0
    judge_tokens: int = 0
    judge_cached_tokens: int = 0
    noted: dict[str, None] = field(default_factory=dict)
    """Hazards that only flag, in the order in which they were found."""
    attempts: list[Verdict] = field(default_factory=list)
    """The verdicts on attempts that were withheld and repaired, or tried to."""

    def __post_init__(self) -> None:
        self.noted.update(dict.fromkeys(self.verdict.noted))

    def add(self, verdict: Verdict) -> None:
        """Count a further check; the gravest outcome stays the answer's."""
        self.count(verdict)
        if gravity(verdict) >= gravity(self.verdict):
            self.verdict = verdict

    def hold(self, verdict: Verdict) -> None:
        """Count a check whose finding waits for what follows."""
        self.count(verdict)
        self.held += 1

    def count(self, verdict: Verdict) -> None:
        self.calls += 1
        self.seconds += verdict.latency
        self.judge_tokens += verdict.prompt_tokens
        self.judge_cached_tokens += verdict.cached_tokens
        self.noted.update(dict.fromkeys(verdict.noted))

    def add_part(self, part: "Judgement") -> None:
        """Count another judgement's checks, and take its outcome where it is graver."""
        self.calls += part.calls
        self.held += part.held
        self.seconds += part.seconds
        self.judge_tokens += part.judge_tokens
        self.judge_cached_tokens += part.judge_cached_tokens
        self.noted.update(part.noted)
        if gravity(part.verdict) >= gravity(self.verdict):
            self.verdict = part.verdict

    def public(self) -> dict[str, Any]:
        """The `judgement` object of responses. Scores are probabilities, times are milliseconds."""
        verdict = self.verdict
        repaired = {"attempts": [_attempt(one) for one in self.attempts]} if self.attempts else {}
        return {
            **repaired,
            "outcome": verdict.outcome.value,
            "flagged": verdict.outcome is Outcome.FLAGGED,
            "stage": verdict.stage.value,
            "score": _rounded(verdict.score),
            "label_mass": _rounded(verdict.label_mass),
            "categories": list(verdict.categories),
            "noted": list(self.noted),
            "reason": verdict.reason,
            "judge": {"id": verdict.judge, "digest": verdict.judge_digest},
            "policy": {
                "id": verdict.policy,
                "version": verdict.policy_version,
                "digest": verdict.policy_digest,
                "mode": self.policy.mode.value,
            },
            "calls": self.calls,
            "held": self.held,
            "latency_ms": round(self.seconds * 1000, 1),
            "judge_tokens": {"prompt": self.judge_tokens, "cached": self.judge_cached_tokens},
            "tokens": {
                "generated": self.tally.generated,
                "judged": self.tally.judged,
                "released": self.tally.released,
                "wasted": self.tally.wasted,
                "exposed": self.tally.exposed,
            },
            "context_shortened": verdict.context_shortened,
            "earlier_turns": verdict.earlier_turns,
        }


def gravity(verdict: Verdict) -> tuple[int, int]:
    """Order of verdicts: flagged over undecided over passed; of equals, the answer over its prompt."""
    grave = (Outcome.PASSED, Outcome.UNDECIDED, Outcome.FLAGGED).index(verdict.outcome)
    return grave, int(verdict.stage is not Stage.PROMPT)


def _attempt(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome.value,
        "stage": verdict.stage.value,
        "score": _rounded(verdict.score),
        "categories": list(verdict.categories),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
