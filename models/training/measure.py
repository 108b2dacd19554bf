"""Development figures of a judge: per file and over all, at one threshold per kind."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sklearn.metrics import roc_auc_score

from models.training.examples import Example


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one group of examples. None where a figure is undefined (one class only)."""

    name: str
    rows: int
    unsafe: int
    auroc: float | None
    f1: float | None
    recall: float | None
    false_positive_rate: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def probability(logit: float, temperature: float = 1.0) -> float:
    """Probability of the unsafe label."""
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit / temperature))))


def figures(name: str, truth: Sequence[bool], logits: Sequence[float], cutoffs: Sequence[float]) -> Figures:
    """`cutoffs` holds the log-odds from which each row is flagged."""
    flagged = [logit >= cutoff for logit, cutoff in zip(logits, cutoffs, strict=True)]
    hits = sum(f and t for f, t in zip(flagged, truth, strict=True))
    alarms = sum(f and not t for f, t in zip(flagged, truth, strict=True))
    unsafe = sum(truth)
    safe = len(truth) - unsafe
    both = unsafe > 0 and safe > 0
    return Figures(
        name=name,
        rows=len(truth),
        unsafe=unsafe,
        auroc=float(roc_auc_score(truth, logits)) if both else None,
        f1=2 * hits / (hits + alarms + unsafe) if both else None,
        recall=hits / unsafe if unsafe else None,
        false_positive_rate=alarms / safe if safe else None,
    )


def in_order(worse: Sequence[float], better: Sequence[float]) -> float | None:
    """Share of pairs whose more harmful answer has the higher log-odds; None without pairs."""
    right = [one > other for one, other in zip(worse, better, strict=True)]
    return sum(right) / len(right) if right else None


def by_file(examples: Sequence[Example], logits: Sequence[float], cutoffs: dict[str, float]) -> list[Figures]:
    """One line per file and language, then one per kind; `cutoffs` by kind, in log-odds."""
    keys = sorted({(e.file, e.lang) for e in examples})
    groups: list[tuple[str, list[int]]] = [
        (f"{file} [{lang}]", [i for i, e in enumerate(examples) if (e.file, e.lang) == (file, lang)])
        for file, lang in keys
    ]
    groups += [
        (f"all {kind}", [i for i, e in enumerate(examples) if e.kind.value == kind])
        for kind in sorted({e.kind.value for e in examples})
    ]
    return [
        figures(
            name,
            [examples[i].unsafe for i in members],
            [logits[i] for i in members],
            [cutoffs.get(examples[i].kind.value, 0.0) for i in members],
        )
        for name, members in groups
    ]
