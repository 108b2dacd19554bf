"""Output tokens per answer."""

from collections.abc import Sequence

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    return (float(record.output_tokens),) if record.outcome is Outcome.PASSED else ()


OUTPUT_TOKENS = RequestMetric(
    name="output_tokens",
    title="output tokens per answer",
    unit="tokens",
    what="tokens of a passed answer, from usage, else one per chunk with content; arms whose answers differ "
    "in length are not comparable end to end",
    better="neither",
    values=_values,
)
