"""Tokens released."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.tokens_released is None:
        return ()
    return (float(record.judgement.tokens_released),)


TOKENS_RELEASED = RequestMetric(
    name="tokens_released",
    title="tokens released",
    unit="tokens",
    what="tokens of one answer that left the stack, as the answer's judgement reports",
    better="neither",
    values=_values,
)
