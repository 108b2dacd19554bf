"""Percentiles with the number of samples behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A summary of `count` values. A percentile that too few values can support is None.

    The q-th percentile is given from ⌈1 / (1 − q)⌉ values on: 10 for p90, 20 for p95, 100 for p99. Below that
    it would only be the maximum under another name. Interpolation is linear (Hyndman and Fan's type 7).
    """

    count: int
    mean: float
    minimum: float
    p50: float
    p90: float | None
    p95: float | None
    p99: float | None
    maximum: float


def percentiles(values: Sequence[float]) -> Percentiles | None:
    """The summary; None of no values. Raises ValueError for values that are not finite."""
    if not values:
        return None
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("percentiles of values that are not finite")

    def at(q: int, needed: int) -> float | None:
        return float(np.percentile(numbers, q)) if len(numbers) >= needed else None

    return Percentiles(
        count=len(numbers),
        mean=float(numbers.mean()),
        minimum=float(numbers.min()),
        p50=float(np.percentile(numbers, 50)),
        p90=at(90, 10),
        p95=at(95, 20),
        p99=at(99, 100),
        maximum=float(numbers.max()),
    )
