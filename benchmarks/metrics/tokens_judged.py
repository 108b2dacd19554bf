"""Tokens judged."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.tokens_judged is None:
        return ()
    return (float(record.judgement.tokens_judged),)


TOKENS_JUDGED = RequestMetric(
    name="tokens_judged",
    title="tokens judged",
    unit="tokens",
    what="tokens the judge read for one answer, as the answer's judgement reports",
    better="lower",
    values=_values,
)
