"""Judge calls."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.judgement is None or record.judgement.calls is None:
        return ()
    return (float(record.judgement.calls),)


JUDGE_CALLS = RequestMetric(
    name="judge_calls",
    title="judge calls",
    unit="calls",
    what="calls to the judge for one answer, prompt included, as its judgement reports",
    better="neither",
    values=_values,
)
