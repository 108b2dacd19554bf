"""What a run will do, and the bounds it may not leave."""

from dataclasses import dataclass

from benchmarks.errors import InvalidPlanError
from benchmarks.load.request import RequestShape

MAX_CONCURRENCY = 256
MAX_REQUESTS = 20_000
MAX_LEVEL_S = 3_600.0
MAX_TOKENS = 8_192
MAX_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep. `requests` and `duration_s` are per arm and level, shared out over the rounds.

    Raises InvalidPlanError where a value is outside its bounds.
    """

    concurrency: tuple[int, ...]
    requests: int | None
    duration_s: float | None
    rounds: int
    warmup: int
    timeout_s: float
    max_time_s: float
    shape: RequestShape

    def __post_init__(self) -> None:
        if not self.concurrency:
            raise InvalidPlanError("give at least one concurrency level")
        for level in self.concurrency:
            _within("concurrency", level, 1, MAX_CONCURRENCY)
        if self.requests is None and self.duration_s is None:
            raise InvalidPlanError("give --requests or --duration")
        if self.requests is not None:
            _within("requests per level", self.requests, 1, MAX_REQUESTS)
        if self.duration_s is not None:
            _within("duration per level", self.duration_s, 0.1, MAX_LEVEL_S)
        _within("rounds", self.rounds, 1, MAX_ROUNDS)
        if self.requests is not None and self.requests // self.rounds < max(self.concurrency):
            raise InvalidPlanError(
                f"{self.requests} requests over {self.rounds} rounds cannot keep {max(self.concurrency)} "
                f"workers busy: give --requests {self.rounds * max(self.concurrency)} or fewer --rounds"
            )
        _within("warm-up requests", self.warmup, 0, 1_000)
        _within("request timeout", self.timeout_s, 0.1, MAX_LEVEL_S)
        _within("time of the whole run", self.max_time_s, 1, 24 * 3_600)
        _within("max tokens", self.shape.max_tokens, 1, MAX_TOKENS)

    def requests_in_round(self, index: int) -> int | None:
        """Its share of the level's requests; the first rounds take the remainder."""
        if self.requests is None:
            return None
        share, rest = divmod(self.requests, self.rounds)
        return share + (index < rest)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidPlanError(f"{name} must be from {low:g} to {high:g}, not {value:g}")
