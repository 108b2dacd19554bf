"""What counts usage, and what it is told and tells."""

from dataclasses import dataclass
from typing import Protocol

from auth.limits import TenantLimits
from serving.limits.rates import Rate


class StoreUnavailable(Exception):  # noqa: N818 - says what is the case
    """Usage cannot be counted now; `str()` says why, for the log."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One request asks for its share: one request, one stream, and `tokens` at most.

    `lease` is unique to the request; `limits` are the tenant's at this moment.
    """

    tenant: str
    lease: str
    tokens: int
    limits: TenantLimits

    def amount(self, rate: Rate) -> int:
        """What the claim takes of a rate."""
        return 1 if rate.unit == "requests" else self.tokens


@dataclass(frozen=True, slots=True)
class Standing:
    """What is used of one limit after a claim. `reset` is in how many seconds nothing of it is in use, if
    nothing more comes."""

    rate: Rate
    limit: int
    used: int
    reset: float

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Decision:
    """`refused_by` names the limit that is exceeded, None where the claim is granted.

    `retry_after` is in how many seconds the same claim would be granted at the latest, None for never.
    `at` is when the claim was counted, in seconds of the store's clock; `shared_at` the same in Redis, where
    two stores count.
    """

    refused_by: str | None
    retry_after: float | None
    at: float
    standings: tuple[Standing, ...] = ()
    shared_at: float | None = None

    @property
    def granted(self) -> bool:
        return self.refused_by is None


class LimitStore(Protocol):
    """Counts claims. Every method is atomic; all raise `StoreUnavailable` and nothing else."""

    async def reserve(self, claim: Claim) -> Decision:
        """Grant the claim and count it, or count nothing of it."""
        ...

    async def settle(self, claim: Claim, decision: Decision, tokens: int) -> None:
        """End a granted claim: its stream is over and `tokens` is what it used.

        Only the first call has an effect, and none where the lease has run out meanwhile.
        """
        ...

    async def withdraw(self, claim: Claim, decision: Decision) -> None:
        """End a granted claim as if it had never been made. Otherwise as `settle`."""
        ...

    async def renew(self, claims: list[Claim]) -> None:
        """Keep the leases of claims that are under way; one that has run out stays so."""
        ...

    async def close(self) -> None:
        """Release what the store holds."""
        ...
