"""Tokens wasted."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.tokens_wasted is None:
        return ()
    return (float(record.judgement.tokens_wasted),)


TOKENS_WASTED = RequestMetric(
    name="tokens_wasted",
    title="tokens wasted",
    unit="tokens",
    what="tokens made for one answer and never released, as the answer's judgement reports",
    better="lower",
    values=_values,
)
