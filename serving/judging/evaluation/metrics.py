"""Figures of a judge over a group of rows, each with a bootstrap confidence interval.

Intervals: percentile bootstrap over rows (Efron and Tibshirani 1993), 95 %. Calibration error: ECE with ten
bins of equal width (Guo et al., arXiv 1706.04599).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from serving.judging.evaluation.runner import Judged

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Metric = Callable[[Flags, Flags, Floats], float | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of some rows; one that is undefined for them is absent.

    Latency in seconds and tokens are those of the rows that got a score.
    """

    name: str
    rows: int
    unsafe: int
    undecided: int
    figures: dict[str, Figure]
    latency_p50: float
    latency_p95: float
    mean_tokens: float


def measure(name: str, judged: Sequence[Judged], resamples: int = 200, seed: int = 0) -> Group:
    """Figures of one group of rows."""
    truth = np.array([one.unsafe for one in judged], dtype=np.bool_)
    flags = np.array([one.flagged for one in judged], dtype=np.bool_)
    # An undecided row blocks, whatever score the judge was unsure about: for ranking and calibration it
    # counts as certain.
    scores = np.array(
        [1.0 if one.undecided or one.score is None else one.score for one in judged], dtype=np.float64
    )
    scored = [one for one in judged if one.score is not None]
    latencies = np.array([one.latency for one in scored] or [0.0])
    figures = {
        label: figure
        for label, metric in METRICS.items()
        if (figure := _with_interval(metric, truth, flags, scores, resamples=resamples, seed=seed))
        is not None
    }
    return Group(
        name=name,
        rows=len(judged),
        unsafe=int(truth.sum()),
        undecided=sum(one.undecided for one in judged),
        figures=figures,
        latency_p50=float(np.quantile(latencies, 0.5)),
        latency_p95=float(np.quantile(latencies, 0.95)),
        mean_tokens=float(np.mean([one.prompt_tokens for one in scored] or [0])),
    )


def groups(judged: Sequence[Judged], resamples: int = 200) -> dict[str, list[Group]]:
    """Figures over everything, and by file, language, source and kind."""
    keys: dict[str, Callable[[Judged], str]] = {
        "all": lambda _: "all",
        "file": lambda one: one.row.file,
        "language": lambda one: one.row.lang,
        "source": lambda one: one.row.source,
        "kind": lambda one: one.row.kind,
    }
    result = {}
    for dimension, key in keys.items():
        names = sorted({key(one) for one in judged})
        result[dimension] = [
            measure(name, [one for one in judged if key(one) == name], resamples) for name in names
        ]
    return result


def expected_calibration_error(truth: Flags, scores: Floats, bins: int = 10) -> float:
    """Mean gap between score and share of unsafe rows over bins of equal width, weighted by their rows."""
    index = bins_of(scores, bins)
    gap = 0.0
    for number in range(bins):
        inside = index == number
        if inside.any():
            gap += inside.mean() * abs(scores[inside].mean() - truth[inside].mean())
    return float(gap)


def bins_of(scores: Floats, bins: int = 10) -> NDArray[np.int64]:
    """In which of some bins of equal width each score falls; 1 belongs to the last one."""
    return np.minimum((scores * bins).astype(np.int64), bins - 1)


def _both(truth: Flags) -> bool:
    return bool(truth.any() and not truth.all())


METRICS: dict[str, Metric] = {
    "precision": lambda t, f, _: float(precision_score(t, f, zero_division=0)) if _both(t) else None,
    "recall": lambda t, f, _: float(recall_score(t, f, zero_division=0)) if t.any() else None,
    "f1": lambda t, f, _: float(f1_score(t, f, zero_division=0)) if _both(t) else None,
    "false_positive_rate": lambda t, f, _: float(f[~t].mean()) if not t.all() else None,
    "auroc": lambda t, _, s: float(roc_auc_score(t, s)) if _both(t) else None,
    "ece": lambda t, _, s: expected_calibration_error(t, s),
}


def _with_interval(
    metric: Metric, truth: Flags, flags: Flags, scores: Floats, *, resamples: int, seed: int
) -> Figure | None:
    value = metric(truth, flags, scores)
    if value is None:
        return None
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        pick = rng.integers(0, len(truth), len(truth))
        again = metric(truth[pick], flags[pick], scores[pick])
        if again is not None:
            drawn.append(again)
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (value, value)
    return Figure(value, float(low), float(high))
