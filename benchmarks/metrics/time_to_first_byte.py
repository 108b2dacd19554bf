"""Time to first byte."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import MS, RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.first_byte_ns is None or record.outcome.failed:
        return ()
    return ((record.first_byte_ns - record.scheduled_ns) / MS,)


TIME_TO_FIRST_BYTE = RequestMetric(
    name="time_to_first_byte",
    title="time to first byte",
    unit="ms",
    what="from sending to the response's headers; a streaming server may send them long before any token",
    better="lower",
    values=_values,
)
