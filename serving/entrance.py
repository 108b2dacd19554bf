"""The last step before a model is asked: whether a request may come in, and what it holds meanwhile."""

from dataclasses import dataclass

from auth.principal import Principal
from auth.tenants import Tenant, TenantDirectory
from serving.judging.judgement import Judgement
from serving.judging.policy import Repair
from serving.judging.protocols import Engine, Generation
from serving.judging.verdict import Outcome
from serving.limits.demand import Demand, demand_of, text_tokens
from serving.limits.limiter import Reservation, TenantLimiter
from serving.limits.metering import Meter
from serving.overload.guard import GuardedJudge
from serving.quarantine.quarantine import Quarantine


@dataclass(frozen=True)
class Entrance:
    """Lets requests in. `context_length` is the native model's, in tokens."""

    tenants: TenantDirectory
    quarantine: Quarantine
    judge: GuardedJudge
    limiter: TenantLimiter
    context_length: int
    bytes_per_token: float

    async def enter(
        self, principal: Principal, tenant: Tenant, generation: Generation, repair: Repair | None = None
    ) -> "Visit":
        """Admit a generation, and its repairs where there may be any.

        Raises RequestError 403, 429 or 503. Whoever enters must `Visit.leave`.
        """
        await self.quarantine.require_free(principal.application)
        self.judge.require_capacity(tenant)
        demand = demand_of(generation, self.context_length, self.bytes_per_token, repair)
        reservation = await self.limiter.reserve(tenant, demand.total)
        return Visit(self, principal, reservation, demand, generation.request_id)

    async def enter_texts(self, principal: Principal, tenant: Tenant, texts: object) -> "Visit":
        """Admit texts that only the judge reads. As `enter`."""
        await self.quarantine.require_free(principal.application)
        self.judge.require_capacity(tenant)
        tokens = text_tokens(texts, self.bytes_per_token)
        reservation = await self.limiter.reserve(tenant, tokens)
        return Visit(self, principal, reservation, Demand(tokens, tokens))

    async def close(self) -> None:
        """Release what is held."""
        await self.judge.close()
        await self.quarantine.close()
        await self.limiter.close()


class Visit:
    """One admitted request. `headers` belong on its answer."""

    def __init__(
        self,
        entrance: Entrance,
        principal: Principal,
        reservation: Reservation,
        demand: Demand,
        request_id: str = "",
    ) -> None:
        self._tenants = entrance.tenants
        self._quarantine = entrance.quarantine
        self._principal = principal
        self._request_id = request_id
        self._violated = False
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

        Asked again while a stream runs: a tenant that is suspended meanwhile, or an application that is
        quarantined, gets nothing more. The answer that gave rise to the quarantine ends with its refusal.
        """
        self._tenants.get(self._principal.tenant)
        if not self._violated:
            self._quarantine.still_free(self._principal.application)

    def found(self, judgement: Judgement) -> None:
        """Take note of what the judge found; a violation counts once for each request."""
        if self._violated or not judgement.policy.enforcing:
            return
        verdict = judgement.verdict
        if verdict.outcome is Outcome.FLAGGED and self._quarantine.counts(verdict.stage):
            self._violated = True
            self._quarantine.violated(self._principal, self._request_id, verdict.stage)

    def leave(self) -> None:
        """Charge what was taken and give the rest back, once, however the request ended."""
        self._reservation.settle(0 if self._meter is None else self._meter.tokens)

    def leave_judged(self, judge_tokens: int | None) -> None:
        """As `leave`, for texts that only the judge read; None where nobody knows how much.

        It had to read its instructions as well, which are not the caller's: never more than was reserved.
        """
        reserved = self._reservation.tokens
        self._reservation.settle(reserved if judge_tokens is None else min(judge_tokens, reserved))
