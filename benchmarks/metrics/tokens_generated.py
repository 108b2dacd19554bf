"""Tokens generated."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.tokens_generated is None:
        return ()
    return (float(record.judgement.tokens_generated),)


TOKENS_GENERATED = RequestMetric(
    name="tokens_generated",
    title="tokens generated",
    unit="tokens",
    what="tokens the model made for one answer, released or not, as the answer's judgement reports",
    better="neither",
    values=_values,
)
