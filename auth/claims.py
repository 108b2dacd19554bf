"""The registered claims of an access token: issuer, audience, times, kind, application (RFC 9068)."""

import math
from dataclasses import dataclass
from typing import Any, Final

from auth.refusals import TokenFault, Unauthenticated

MAX_IDENTIFIER_CHARACTERS: Final = 255
_LATEST_DATE: Final = 2.0**53

# Claims that OpenID Connect puts into ID tokens only; Keycloak's `nonce` may sit in typed access tokens.
_ID_TOKEN_CLAIMS: Final = ("at_hash", "c_hash", "s_hash", "nonce")


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What this service expects of a token. Times are in seconds."""

    issuer: str
    audience: str
    leeway: float
    max_lifetime: float


@dataclass(frozen=True, slots=True)
class RegisteredClaims:
    """The claims every issuer has in common, checked."""

    subject: str
    application: str
    token_id: str | None
    expires_at: float


def check_claims(claims: dict[str, Any], token_type: str, rules: ClaimRules, now: float) -> RegisteredClaims:
    """Check the registered claims at time `now`.

    Raises `Unauthenticated` with the first fault found.
    """
    if claims.get("iss") != rules.issuer:
        raise Unauthenticated(TokenFault.ISSUER)
    _check_kind(claims, token_type)
    _check_audience(claims.get("aud"), rules.audience)
    expires_at = _check_times(claims, rules, now)
    return RegisteredClaims(
        subject=_identifier(claims.get("sub"), TokenFault.CLAIMS),
        application=_application(claims),
        token_id=_identifier(claims["jti"], TokenFault.CLAIMS) if "jti" in claims else None,
        expires_at=expires_at,
    )


def printable(value: object) -> str | None:
    """Return `value` if it is a short text without control characters, lone surrogates or outer blanks."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_IDENTIFIER_CHARACTERS:
        return None
    return value if value.isprintable() and value == value.strip() else None


def _identifier(value: object, fault: TokenFault) -> str:
    identifier = printable(value)
    if identifier is None:
        raise Unauthenticated(fault)
    return identifier


def _check_kind(claims: dict[str, Any], token_type: str) -> None:
    """Refuse ID, refresh, offline and logout tokens signed by the right issuer (RFC 8725, section 3.11)."""
    if "typ" in claims:
        if claims["typ"] != "Bearer":
            raise Unauthenticated(TokenFault.NOT_ACCESS_TOKEN)
    elif token_type == "jwt" and any(name in claims for name in _ID_TOKEN_CLAIMS):  # noqa: S105 - a media type
        raise Unauthenticated(TokenFault.NOT_ACCESS_TOKEN)
    if "events" in claims:
        raise Unauthenticated(TokenFault.NOT_ACCESS_TOKEN)
    if "cnf" in claims:
        raise Unauthenticated(TokenFault.SENDER_CONSTRAINED)


def _check_audience(audience: object, expected: str) -> None:
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(entry, str) for entry in audiences) or expected not in audiences:
        raise Unauthenticated(TokenFault.AUDIENCE)


def _check_times(claims: dict[str, Any], rules: ClaimRules, now: float) -> float:
    expires_at = _date(claims.get("exp"))
    issued_at = _date(claims.get("iat"))
    not_before = _date(claims["nbf"]) if "nbf" in claims else issued_at
    if now >= expires_at + rules.leeway:
        raise Unauthenticated(TokenFault.EXPIRED)
    if now < max(issued_at, not_before) - rules.leeway:
        raise Unauthenticated(TokenFault.NOT_YET_VALID)
    if not 0 < expires_at - issued_at <= rules.max_lifetime:
        raise Unauthenticated(TokenFault.LIFETIME)
    return expires_at


def _date(value: object) -> float:
    # bool is an int in Python, and 1e999 is a float: neither is a date.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated(TokenFault.CLAIMS)
    if not 0 <= value <= _LATEST_DATE or not math.isfinite(value):
        raise Unauthenticated(TokenFault.CLAIMS)
    return float(value)


def _application(claims: dict[str, Any]) -> str:
    """The OAuth client: `client_id` (RFC 9068) or `azp` (OpenID Connect); where both are given they agree."""
    named = {claims[name] for name in ("client_id", "azp") if isinstance(claims.get(name), str)}
    given = [name for name in ("client_id", "azp") if name in claims]
    if len(named) != 1 or not all(isinstance(claims[name], str) for name in given):
        raise Unauthenticated(TokenFault.APPLICATION)
    return _identifier(named.pop(), TokenFault.APPLICATION)
