"""Judge prompt tokens."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.judge_tokens is None:
        return ()
    return (float(record.judgement.judge_tokens),)


JUDGE_TOKENS = RequestMetric(
    name="judge_tokens",
    title="judge prompt tokens",
    unit="tokens",
    what="prompt tokens of all judge calls for one answer, as its judgement reports",
    better="lower",
    values=_values,
)
