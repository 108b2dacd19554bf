"""Judge latency."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.latency_ms is None:
        return ()
    return (float(record.judgement.latency_ms),)


JUDGE_LATENCY = RequestMetric(
    name="judge_latency",
    title="judge latency",
    unit="ms",
    what="time in judge calls, summed over one answer, as its judgement reports; much overlaps generation",
    better="lower",
    values=_values,
)
