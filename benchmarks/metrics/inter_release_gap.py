"""Inter-release gap."""

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord
from benchmarks.metrics.metric import MS, RequestMetric

BURST_NS = 1_000_000
"""Content within one millisecond of a burst's first is one release: the chunks of one network read are
handed over some ten microseconds apart."""


def releases(content_ns: Sequence[int]) -> list[int]:
    """The start of every burst, in order."""
    begins: list[int] = []
    for at in content_ns:
        if not begins or at - begins[-1] > BURST_NS:
            begins.append(at)
    return begins


def _values(record: RequestRecord) -> Sequence[float]:
    if record.outcome is not Outcome.PASSED:
        return ()
    begins = releases(record.content_ns)
    return [(later - earlier) / MS for earlier, later in pairwise(begins)]


INTER_RELEASE_GAP = RequestMetric(
    name="inter_release_gap",
    title="inter-release gap",
    unit="ms",
    what="every pause between two bursts of content, all requests together: what a reader sees as stutter "
    "where hold-back windows release many tokens at once",
    better="lower",
    values=_values,
)
