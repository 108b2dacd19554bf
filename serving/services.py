"""What the gateway stands on, and whom it serves."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from auth.operators import OperatorGuard
from auth.principal import Principal
from auth.tenants import Tenant, TenantDirectory
from auth.verification import TokenVerifier
from serving.entrance import Entrance
from serving.judgements.store import JudgementStore
from serving.judging.policy import Policy
from serving.judging.protocols import Engine, Judge
from serving.settings import GatewaySettings


@dataclass(frozen=True)
class Services:
    """What the gateway stands on. `ready` raises where a model does not answer."""

    settings: GatewaySettings
    verifier: TokenVerifier
    operators: OperatorGuard
    tenants: TenantDirectory
    policies: dict[str, Policy]
    engine: Engine
    judge: Judge
    entrance: Entrance
    judgements: JudgementStore
    model: str
    context_length: int
    reserved_tokens: tuple[str, ...]
    accepts_tools: bool
    ready: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Caller:
    """An authenticated application of an active tenant."""

    principal: Principal
    tenant: Tenant
