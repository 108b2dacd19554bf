"""End-to-end latency."""

from collections.abc import Sequence

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import MS, RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.outcome is not Outcome.PASSED:
        return ()
    return ((record.ended_ns - record.scheduled_ns) / MS,)


END_TO_END_LATENCY = RequestMetric(
    name="end_to_end_latency",
    title="end-to-end latency",
    unit="ms",
    what="from sending to the end of the body, verdict included; passed answers only",
    better="lower",
    values=_values,
)
