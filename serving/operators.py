"""The dependency of routes for operators."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from auth.principal import Principal
from serving.services import Services


def operator(services: Services, *roles: str) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency that lets through who holds one of `roles` at this moment, by the issuer's own word.

    Use: `Annotated[Principal, Depends(operator(services, "supervisor", "admin"))]`. It refuses with 401,
    403 or 503, see `OperatorGuard.require`.
    """

    async def require(request: Request) -> Principal:
        return await services.operators.require(request.headers.getlist("authorization"), *roles)

    return require
