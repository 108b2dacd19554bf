"""Claims for tests, and a clock to make them by."""

import itertools
from typing import Any

from auth.limits import TenantLimits
from serving.limits.store import Claim

LEASE = 30.0
START = 1_800_000_000.5
_numbers = itertools.count()


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def claim(tokens: int = 1, tenant: str = "khouribga", **limits: Any) -> Claim:
    return Claim(tenant, f"lease-{next(_numbers)}", tokens, TenantLimits.model_validate(limits))
