"""The limits that are counted over time, and how finely."""

from dataclasses import dataclass
from typing import Final, Literal

from auth.limits import TenantLimits

Unit = Literal["requests", "tokens"]

STREAMS: Final = "concurrent_streams"
"""The limit that is not over time: answers under way."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit over a sliding window of `seconds`, counted in buckets of `bucket` seconds.

    A bucket counts until the window has passed since its end: an amount is forgotten up to one bucket late
    and never early, so that no window of that length holds more than the limit. `name` is the field of
    `TenantLimits`.
    """

    name: str
    unit: Unit
    seconds: int
    bucket: int

    @property
    def buckets(self) -> int:
        return self.seconds // self.bucket

    def limit(self, limits: TenantLimits) -> int | None:
        limit: int | None = getattr(limits, self.name)
        return limit


RATES: Final = (
    Rate("requests_per_minute", "requests", 60, 1),
    Rate("tokens_per_minute", "tokens", 60, 1),
    Rate("tokens_per_day", "tokens", 86_400, 60),
)
