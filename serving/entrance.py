"""The last step before a model is asked: whether a request may come in, and what it holds meanwhile."""

from dataclasses import dataclass

from auth.principal import Principal
from auth.tenants import Tenant, TenantDirectory
from serving.judging.protocols import Engine, Generation
from serving.limits.demand import Demand, demand_of, text_tokens
from serving.limits.limiter import Reservation, TenantLimiter
from serving.limits.metering import Meter
from serving.overload.guard import GuardedJudge


@dataclass(frozen=True)
class Entrance:
    """Lets requests in. `context_length` is the native model's, in tokens."""

    tenants: TenantDirectory
    judge: GuardedJudge
    limiter: TenantLimiter
    context_length: int
    bytes_per_token: float

    async def enter(self, principal: Principal, tenant: Tenant, generation: Generation) -> "Visit":
        """Admit a generation. Raises RequestError 429 or 503. Whoever enters must leave: `Visit.leave`."""
        self.judge.require_capacity(tenant)
        demand = demand_of(generation, self.context_length, self.bytes_per_token)
        reservation = await self.limiter.reserve(tenant, demand.total)
        return Visit(self.tenants, principal, reservation, demand)

    async def enter_texts(self, principal: Principal, tenant: Tenant, texts: object) -> "Visit":
        """Admit texts that only the judge reads. As `enter`."""
        self.judge.require_capacity(tenant)
        tokens = text_tokens(texts, self.bytes_per_token)
        reservation = await self.limiter.reserve(tenant, tokens)
        return Visit(self.tenants, principal, reservation, Demand(tokens, tokens))

    async def close(self) -> None:
        """Release what is held."""
        await self.judge.close()
        await self.limiter.close()


class Visit:
    """One admitted request. `headers` belong on its answer."""

    def __init__(
        self, tenants: TenantDirectory, principal: Principal, reservation: Reservation, demand: Demand
    ) -> None:
        self._tenants = tenants
        self._principal = principal
        self._reservation = reservation
        self._demand = demand
        self._meter: Meter | None = None
        self.headers = reservation.headers

    def metered(self, engine: Engine) -> Engine:
        """The engine, counting what this request takes of it."""
        self._meter = Meter(engine, self._demand.prompt)
        return self._meter

    def require_allowed(self) -> None:
        """Raise what a new request of this caller would be refused with (403, 503).

        Asked again while a stream runs: a tenant that is suspended meanwhile gets nothing more.
        """
        self._tenants.get(self._principal.tenant)

    def leave(self) -> None:
        """Charge what was taken and give the rest back, once, however the request ended."""
        self._reservation.settle(0 if self._meter is None else self._meter.tokens)

    def leave_judged(self, judge_tokens: int | None) -> None:
        """As `leave`, for texts that only the judge read; None where nobody knows how much.

        It had to read its instructions as well, which are not the caller's: never more than was reserved.
        """
        reserved = self._reservation.tokens
        self._reservation.settle(reserved if judge_tokens is None else min(judge_tokens, reserved))
