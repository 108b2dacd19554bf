"""Verifying a JWT access token offline against an OpenID Connect issuer (RFC 9068, RFC 8725)."""

from collections.abc import Awaitable, Callable, Collection, Sequence

from auth.bearer import bearer_token
from auth.claims import ClaimRules, check_claims
from auth.clock import Clock
from auth.compact import read_token
from auth.mapping import ClaimsMapping, map_claims
from auth.principal import Principal
from auth.refusals import TokenFault, Unauthenticated
from auth.signing_keys import SigningKeys
from auth.verified_tokens import VerifiedToken, VerifiedTokens, digest


class TokenVerifier:
    """Turns the `Authorization` headers of a request into a `Principal`, or refuses with a typed error.

    One instance serves one event loop. `close` releases what it holds.
    """

    def __init__(
        self,
        keys: SigningKeys,
        rules: ClaimRules,
        mapping: ClaimsMapping,
        clock: Clock,
        *,
        algorithms: Collection[str],
        cache_size: int = 10_000,
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._mapping = mapping
        self._clock = clock
        self._algorithms = frozenset(algorithms)
        self._verified = VerifiedTokens(cache_size)
        self._on_close = on_close

    async def verify(self, authorization_headers: Sequence[str]) -> Principal:
        """Verify the token in `authorization_headers` (every value of that header).

        Raises `Unauthenticated` (401), `Forbidden` (403: valid, but without an acceptable tenant) or
        `IssuerUnavailable` (503).
        """
        token = bearer_token(authorization_headers)
        token_digest = digest(token)
        known = self._verified.get(token_digest, self._clock.now())
        if known is not None:
            # A key the issuer has withdrawn takes its remembered tokens along.
            key = await self._keys.find(known.key_id)
            if key.thumbprint == known.thumbprint:
                return known.principal
        verified = await self._verify(token)
        self._verified.put(token_digest, verified)
        return verified.principal

    async def ready(self) -> None:
        """Return once tokens can be verified. Raises `IssuerUnavailable` with the detail."""
        await self._keys.load()

    async def close(self) -> None:
        """Stop background work and close the connection to the issuer."""
        await self._keys.close()
        if self._on_close is not None:
            await self._on_close()

    async def _verify(self, token: str) -> VerifiedToken:
        signed = read_token(token, self._algorithms)
        # Claims come before the key, so that another realm's or an expired token triggers no fetch.
        claims = check_claims(signed.claims, signed.type, self._rules, self._clock.now())
        key = await self._keys.find(signed.key_id)
        if signed.algorithm not in key.algorithms:
            raise Unauthenticated(TokenFault.UNSUITABLE_KEY)
        if not key.verifies(signed.algorithm, signed.signing_input, signed.signature):
            raise Unauthenticated(TokenFault.SIGNATURE)
        tenant, scopes = map_claims(self._mapping, signed.claims)
        principal = Principal(
            tenant=tenant,
            application=claims.application,
            subject=claims.subject,
            scopes=scopes,
            token_id=claims.token_id,
            expires_at=claims.expires_at,
        )
        return VerifiedToken(principal, signed.key_id, key.thumbprint)
