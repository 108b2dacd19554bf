"""Time to block."""

from collections.abc import Sequence

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import MS, RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.outcome is not Outcome.BLOCKED:
        return ()
    return ((record.ended_ns - record.scheduled_ns) / MS,)


TIME_TO_BLOCK = RequestMetric(
    name="time_to_block",
    title="time to block",
    unit="ms",
    what="from sending to the end of an answer the judge withheld; kept apart from end-to-end latency, "
    "because a block ends early",
    better="lower",
    values=_values,
)
