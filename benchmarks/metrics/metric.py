"""What a metric is. Each file beside this one defines one, as a constant that describes itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.load.records import RequestRecord

Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True, slots=True)
class RequestMetric:
    """Figures of single requests, summarised by percentiles. `values` is empty where a request has none."""

    name: str
    title: str
    unit: str
    what: str
    better: Better
    values: Callable[[RequestRecord], Sequence[float]]


@dataclass(frozen=True, slots=True)
class RateMetric:
    """A sum over the requests of a round divided by its wall time; rounds are pooled, not averaged."""

    name: str
    title: str
    unit: str
    what: str
    better: Better
    amount: Callable[[RequestRecord], float]


Metric = RequestMetric | RateMetric

MS = 1e6
"""Nanoseconds in a millisecond."""
