"""Time to first token."""

from collections.abc import Sequence

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import MS, RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    # The first content of a blocked answer is the refusal text, not a token of the model.
    if record.outcome is not Outcome.PASSED or not record.streamed or not record.content_ns:
        return ()
    return ((record.content_ns[0] - record.scheduled_ns) / MS,)


TIME_TO_FIRST_TOKEN = RequestMetric(
    name="time_to_first_token",
    title="time to first token",
    unit="ms",
    what="from sending to the first chunk with non-empty content; passed streamed answers only",
    better="lower",
    values=_values,
)
