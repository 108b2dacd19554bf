"""Output tokens per second."""

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RateMetric


def _amount(record: RequestRecord) -> float:
    return float(record.output_tokens) if record.outcome is Outcome.PASSED else 0.0


OUTPUT_TOKENS_PER_SECOND = RateMetric(
    name="output_tokens_per_second",
    title="output tokens per second",
    unit="tokens/s",
    what="tokens of passed answers, over the wall time from the first request's start to the last one's end; "
    "the last requests run alone, so few requests per worker understate it",
    better="higher",
    amount=_amount,
)
