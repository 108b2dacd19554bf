"""How many bodies of one tenant may be on their way at a time.

A body that drips holds one of the replica's places for as long as it may take to arrive, and no limit of the
tenant is asked before it is there. Without a bound, one token could hold every place of the replica.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import RequestError
from serving.telemetry import LIMIT_REFUSALS, tenant_label

GRACE = 0.5
"""Seconds in which a body may arrive without being counted: however many come at once, they are no drip."""

NAME = "arriving_bodies"
"""As in `x-mizan-limit` and in the metric."""


class Arrivals:
    """Counts the bodies that one gateway replica is reading, by tenant."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._arriving: Counter[str] = Counter()

    @contextmanager
    def reading(self, tenant: str) -> Iterator[None]:
        """Hold a place while a body is read. Raises RequestError 429 where the tenant has them all."""
        if self._arriving[tenant] >= self._most:
            LIMIT_REFUSALS.labels(tenant_label(tenant), NAME).inc()
            message = f"{self._most} request bodies of this tenant are still arriving. Try again in 1 s."
            headers = {"Retry-After": "1", "x-mizan-limit": NAME}
            raise RequestError(429, message, code="rate_limit_exceeded", kind="requests", headers=headers)
        self._arriving[tenant] += 1
        try:
            yield
        finally:
            self._arriving[tenant] -= 1
            if not self._arriving[tenant]:
                del self._arriving[tenant]
