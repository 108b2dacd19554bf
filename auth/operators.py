"""Letting operators through: whoever runs or supervises the stack, as they stand at this moment."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from auth.bearer import bearer_token
from auth.principal import Principal
from auth.refusals import Denial, Forbidden
from auth.standing import Standing
from auth.verification import TokenVerifier


class OperatorGuard:
    """The check before every route that reaches across tenants. One instance serves one event loop."""

    def __init__(
        self,
        verifier: TokenVerifier,
        standing: Standing,
        *,
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._verifier = verifier
        self._standing = standing
        self._on_close = on_close

    async def require(self, authorization_headers: Sequence[str], *roles: str) -> Principal:
        """The bearer, who holds one of `roles` in the token and at its issuer; with the scopes held now.

        The issuer is asked only about tokens that verify and carry a role, so that nobody else can make it
        work. Raises `Unauthenticated` (401, also for a revoked token), `Forbidden` (403) or
        `IssuerUnavailable` (503: without an answer nobody gets through).
        """
        principal = await self._verifier.verify(authorization_headers)
        _require_any(principal.scopes, roles)
        held = await self._standing.scopes(bearer_token(authorization_headers), principal)
        scopes = principal.scopes & held
        _require_any(scopes, roles)
        return replace(principal, scopes=scopes)

    async def close(self) -> None:
        """Close the connection to the issuer."""
        if self._on_close is not None:
            await self._on_close()


def _require_any(scopes: frozenset[str], roles: Sequence[str]) -> None:
    if not scopes.intersection(roles):
        raise Forbidden(Denial.SCOPE, required_scope=roles[0])
