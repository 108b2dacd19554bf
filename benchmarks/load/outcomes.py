"""How a request ended."""

from enum import StrEnum


class Outcome(StrEnum):
    """Every request has exactly one."""

    PASSED = "passed"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    ERROR = "error"
    DROPPED = "dropped"

    @property
    def what(self) -> str:
        """One line for tables and help."""
        return _WHAT[self]

    @property
    def failed(self) -> bool:
        """Whether the request got no answer. A blocked one did: the judge's refusal is an answer."""
        return self not in (Outcome.PASSED, Outcome.BLOCKED)


_WHAT = {
    Outcome.PASSED: "HTTP 200, complete, released by the judge where there is one",
    Outcome.BLOCKED: "HTTP 200 with finish_reason content_filter: withheld by the judge",
    Outcome.RATE_LIMITED: "HTTP 429",
    Outcome.REFUSED: "another HTTP 4xx",
    Outcome.ERROR: "HTTP 5xx or another status, error in the stream, timeout, no connection, malformed",
    Outcome.DROPPED: "the answer began and never finished: connection lost, or no finish_reason",
}


def of_status(status: int) -> Outcome | None:
    """The outcome an HTTP status alone decides; None where the body decides (200)."""
    if status == 200:
        return None
    if status == 429:
        return Outcome.RATE_LIMITED
    return Outcome.REFUSED if 400 <= status < 500 else Outcome.ERROR


def of_finish(finish_reasons: tuple[str, ...]) -> Outcome:
    """The outcome of a 200 answer whose body ended, from the finish reasons of its choices."""
    if not finish_reasons:
        return Outcome.DROPPED
    return Outcome.BLOCKED if "content_filter" in finish_reasons else Outcome.PASSED
