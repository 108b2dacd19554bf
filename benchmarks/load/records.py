"""What the client saw of a request, and of the requests of one round. All times: perf_counter_ns."""

from dataclasses import dataclass

from benchmarks.load.judgement import Judgement
from benchmarks.load.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request as its client saw it.

    `scheduled_ns` is when the arrival process wanted it sent, `started_ns` when it was: latencies count from
    `scheduled_ns`, so that a client which falls behind its schedule cannot hide the wait (coordinated
    omission). In a closed loop both are the same.
    `content_ns` holds the arrival of every chunk with non-empty content, in order.
    `usage_tokens` is the server's `usage.completion_tokens`; None if it sent none.
    """

    sequence: int
    prompt: str
    language: str
    scheduled_ns: int
    started_ns: int
    ended_ns: int
    outcome: Outcome
    first_byte_ns: int | None = None
    content_ns: tuple[int, ...] = ()
    streamed: bool = True
    usage_tokens: int | None = None
    status: int | None = None
    finish_reason: str | None = None
    judgement: Judgement | None = None
    detail: str = ""

    @property
    def output_tokens(self) -> int:
        """Tokens the client received: from `usage`, else one for every chunk with content."""
        return len(self.content_ns) if self.usage_tokens is None else self.usage_tokens

    @property
    def token_source(self) -> str:
        """Where `output_tokens` is from: `usage` or `chunks`."""
        return "chunks" if self.usage_tokens is None else "usage"


@dataclass(frozen=True, slots=True)
class Round:
    """The requests of one arm at one concurrency in one round; wall time from first start to last end.

    `client_cpu_s` is the processor time this process used meanwhile: near the wall time, the client itself
    was the bottleneck.
    """

    arm: str
    concurrency: int
    index: int
    wall_s: float
    client_cpu_s: float
    records: tuple[RequestRecord, ...]
