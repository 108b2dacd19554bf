"""Time to first released token."""

from collections.abc import Sequence

from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import RequestMetric
from benchmarks.metrics.time_to_first_token import TIME_TO_FIRST_TOKEN


def _values(record: RequestRecord) -> Sequence[float]:
    return TIME_TO_FIRST_TOKEN.values(record) if record.judgement is not None else ()


TIME_TO_FIRST_RELEASED_TOKEN = RequestMetric(
    name="time_to_first_released_token",
    title="time to first released token",
    unit="ms",
    what="time to first token of answers that carry a judgement: what the user waits until the judge lets "
    "the first words through. The client cannot see when the model made them; compare with an unjudged arm",
    better="lower",
    values=_values,
)
