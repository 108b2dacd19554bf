"""Records with times written by hand, in milliseconds."""

from benchmarks.load.judgement import Judgement
from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord, Round

MS = 1_000_000


def timeline(
    *content_ms: float,
    end_ms: float = 0,
    first_byte_ms: float | None = 0,
    outcome: Outcome = Outcome.PASSED,
    usage: int | None = None,
    judgement: Judgement | None = None,
    scheduled_ms: float = 0,
    streamed: bool = True,
) -> RequestRecord:
    """A request that started at 0."""
    return RequestRecord(
        sequence=0,
        prompt="p",
        language="en",
        scheduled_ns=int(scheduled_ms * MS),
        started_ns=0,
        ended_ns=int(end_ms * MS),
        outcome=outcome,
        first_byte_ns=None if first_byte_ms is None else int(first_byte_ms * MS),
        content_ns=tuple(int(at * MS) for at in content_ms),
        streamed=streamed,
        usage_tokens=usage,
        judgement=judgement,
        detail="" if not outcome.failed else "why",
    )


def round_of(*records: RequestRecord, arm: str = "a", index: int = 0, wall_s: float = 1.0) -> Round:
    """Those records as one round at concurrency 1."""
    return Round(arm, 1, index, wall_s, 0.1, records)
