"""Inter-token latency."""

from collections.abc import Sequence

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import MS, RequestMetric


def _values(record: RequestRecord) -> Sequence[float]:
    tokens = record.output_tokens
    if record.outcome is not Outcome.PASSED or len(record.content_ns) < 2 or tokens < 2:
        return ()
    return ((record.content_ns[-1] - record.content_ns[0]) / MS / (tokens - 1),)


INTER_TOKEN_LATENCY = RequestMetric(
    name="inter_token_latency",
    title="inter-token latency",
    unit="ms",
    what="mean per request: (last content − first content) / (tokens − 1); tokens from usage, else one per "
    "chunk. A first chunk of several tokens makes it a little too good; bursts show in the inter-release gap",
    better="lower",
    values=_values,
)
