"""Inter-token latency."""

from collections.abc import Sequence

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord
from benchmarks.metrics.inter_release_gap import BURST_NS
from benchmarks.metrics.metric import MS, RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    if record.outcome is not Outcome.PASSED or not record.content_ns:
        return ()
    begin = record.content_ns[0]
    first = [at for at in record.content_ns if at - begin <= BURST_NS]
    later_tokens = record.output_tokens - len(first)
    if later_tokens < 1 or len(record.content_ns) == len(first):
        return ()
    return ((record.content_ns[-1] - first[-1]) / MS / later_tokens,)


INTER_TOKEN_LATENCY = RequestMetric(
    name="inter_token_latency",
    title="inter-token latency",
    unit="ms",
    what="mean per request after the first release: (last content − end of the first release) / tokens after "
    "it; tokens from usage, else one per chunk. Too good where one chunk carries several tokens; "
    "bursts show in the inter-release gap",
    better="lower",
    values=_values,
)
