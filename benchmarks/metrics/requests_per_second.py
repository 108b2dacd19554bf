"""Requests per second."""

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RateMetric


def _amount(record: RequestRecord) -> float:
    return 0.0 if record.outcome.failed else 1.0


REQUESTS_PER_SECOND = RateMetric(
    name="requests_per_second",
    title="requests per second",
    unit="requests/s",
    what="answered requests, passed or blocked, over the same wall time as output tokens per second",
    better="higher",
    amount=_amount,
)
