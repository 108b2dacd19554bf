"""Tokens exposed."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.tokens_exposed is None:
        return ()
    return (float(record.judgement.tokens_exposed),)


TOKENS_EXPOSED = RequestMetric(
    name="tokens_exposed",
    title="tokens exposed",
    unit="tokens",
    what="tokens that had left before the judge found fault, as the answer's judgement "
    "reports; 0 unless the policy only observes",
    better="lower",
    values=_values,
)
