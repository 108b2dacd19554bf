"""An arm against the baseline arm: a ratio with a bootstrap interval.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentile interval). Two stages,
because requests of one round share the machine's noise: rounds are drawn with replacement, the same ones for
both arms, then requests within each. Drawing requests alone would claim more certainty than there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Sequence[Values]], float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The arm's figure over the baseline's, with its 95 % interval from `low` to `high` if there is one."""

    ratio: float
    low: float | None
    high: float | None
    rounds: int


def pooled_median(rounds: Sequence[Values]) -> float:
    """The median of all values of all rounds."""
    return float(np.median(np.concatenate(rounds)))


def compare_values(
    arm: Sequence[Sequence[float]],
    baseline: Sequence[Sequence[float]],
    statistic: Statistic = pooled_median,
    draws: int = 1_000,
    seed: int = 20,
) -> Ratio | None:
    """Compares per-request values, one sequence per round, paired by position.

    None without values on both sides. Rounds in which either arm has no value are left out of both.
    No interval from fewer than 8 values an arm.
    """
    pairs = [
        (np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64))
        for ours, theirs in zip(arm, baseline, strict=True)
        if ours and theirs
    ]
    if not pairs:
        return None
    ours, theirs = zip(*pairs, strict=True)
    if (base := statistic(theirs)) <= 0:
        return None
    ratio = statistic(ours) / base
    if min(sum(map(len, ours)), sum(map(len, theirs))) < 8:
        return Ratio(ratio, None, None, len(pairs))
    random = np.random.default_rng(seed)
    ratios = []
    for _ in range(draws):
        drawn = [pairs[at] for at in random.integers(len(pairs), size=len(pairs))]
        below = statistic([random.choice(value, len(value)) for _, value in drawn])
        if below > 0:
            ratios.append(statistic([random.choice(value, len(value)) for value, _ in drawn]) / below)
    return _interval(ratio, ratios, len(pairs))


def compare_rates(
    arm: Sequence[tuple[float, float]],
    baseline: Sequence[tuple[float, float]],
    draws: int = 1_000,
    seed: int = 20,
) -> Ratio | None:
    """Compares rates given as (amount, seconds) per round, paired by position; only rounds are drawn.

    A level has few rounds, so the interval is rough; none is given for fewer than 3.
    """
    if not arm or len(arm) != len(baseline):
        return None
    ours, theirs = np.asarray(arm, dtype=np.float64), np.asarray(baseline, dtype=np.float64)

    def rate(values: Values) -> float:
        amount, seconds = values.sum(axis=0)
        return float(amount / seconds) if seconds > 0 else 0.0

    if (base := rate(theirs)) <= 0:
        return None
    ratio = rate(ours) / base
    if len(arm) < 3:
        return Ratio(ratio, None, None, len(arm))
    random = np.random.default_rng(seed)
    ratios = []
    for _ in range(draws):
        drawn = random.integers(len(ours), size=len(ours))
        if (below := rate(theirs[drawn])) > 0:
            ratios.append(rate(ours[drawn]) / below)
    return _interval(ratio, ratios, len(arm))


def _interval(ratio: float, ratios: list[float], rounds: int) -> Ratio:
    if not ratios:
        return Ratio(ratio, None, None, rounds)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Ratio(ratio, float(low), float(high), rounds)
