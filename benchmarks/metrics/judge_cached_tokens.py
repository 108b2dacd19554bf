"""Judge prompt tokens from the prefix cache."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.judge_cached_tokens is None:
        return ()
    return (float(record.judgement.judge_cached_tokens),)


JUDGE_CACHED_TOKENS = RequestMetric(
    name="judge_cached_tokens",
    title="judge tokens cached",
    unit="tokens",
    what="judge prompt tokens that the judge's prefix cache spared, as the answer's judgement reports",
    better="higher",
    values=_values,
)
