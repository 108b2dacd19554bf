"""Why a request is turned away: 401, 403 or 503, each with a reason code and a fixed sentence.

The sentences are constants, so that no part of a token can ever be echoed to its sender.
"""

from enum import StrEnum
from typing import Final

REALM: Final = "mizan"


class TokenFault(StrEnum):
    """What is wrong with the credentials (HTTP 401)."""

    MISSING = "missing_token"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    SEVERAL_HEADERS = "several_authorization_headers"
    MALFORMED = "malformed_token"
    OVERSIZED = "oversized_token"
    ENCRYPTED = "encrypted_token"
    HEADER = "unacceptable_header"
    TYPE = "unacceptable_type"
    ALGORITHM = "unacceptable_algorithm"
    EMBEDDED_KEY = "embedded_key"
    CRITICAL_EXTENSION = "critical_extension"
    KEY_ID = "unacceptable_key_id"
    UNKNOWN_KEY = "unknown_key"
    UNSUITABLE_KEY = "unsuitable_key"
    SIGNATURE = "bad_signature"
    CLAIMS = "unacceptable_claims"
    ISSUER = "wrong_issuer"
    AUDIENCE = "wrong_audience"
    EXPIRED = "expired_token"
    NOT_YET_VALID = "not_yet_valid"
    LIFETIME = "excessive_lifetime"
    NOT_ACCESS_TOKEN = "not_an_access_token"  # noqa: S105 - a reason code, not a credential
    SENDER_CONSTRAINED = "sender_constrained_token"
    APPLICATION = "unacceptable_application"
    REVOKED = "revoked_token"


_FAULTS: Final[dict[TokenFault, str]] = {
    TokenFault.MISSING: "A bearer token is required",
    TokenFault.UNSUPPORTED_SCHEME: "The Authorization header must use the Bearer scheme",
    TokenFault.SEVERAL_HEADERS: "More than one Authorization header was sent",
    TokenFault.MALFORMED: "The token is not a well-formed JWT",
    TokenFault.OVERSIZED: "The token is too large",
    TokenFault.ENCRYPTED: "Encrypted tokens are not accepted",
    TokenFault.HEADER: "The token header is not acceptable",
    TokenFault.TYPE: "The token header must state the type JWT or at+jwt",
    TokenFault.ALGORITHM: "The token is not signed with an accepted algorithm",
    TokenFault.EMBEDDED_KEY: "The token must not carry or point to its own key",
    TokenFault.CRITICAL_EXTENSION: "The token demands an extension that is not supported",
    TokenFault.KEY_ID: "The token must name its signing key by an acceptable key id",
    TokenFault.UNKNOWN_KEY: "The token is signed with a key the issuer does not publish",
    TokenFault.UNSUITABLE_KEY: "The signing key is not suitable for this algorithm",
    TokenFault.SIGNATURE: "The signature does not match",
    TokenFault.CLAIMS: "A required claim is absent or has the wrong form",
    TokenFault.ISSUER: "The token comes from another issuer",
    TokenFault.AUDIENCE: "The token is meant for another audience",
    TokenFault.EXPIRED: "The token has expired",
    TokenFault.NOT_YET_VALID: "The token is not valid yet",
    TokenFault.LIFETIME: "The token is valid for longer than is accepted here",
    TokenFault.NOT_ACCESS_TOKEN: "This is not an access token",
    TokenFault.SENDER_CONSTRAINED: "Tokens bound to a sender key are not supported",
    TokenFault.APPLICATION: "The token must name exactly one application",
    TokenFault.REVOKED: "The token is no longer in force",
}

# RFC 6750, 3.1: without credentials the challenge carries no error attribute.
_WITHOUT_ERROR: Final = frozenset({TokenFault.MISSING, TokenFault.UNSUPPORTED_SCHEME})


class Denial(StrEnum):
    """Why a known caller may not do this (HTTP 403)."""

    NO_TENANT = "no_tenant"
    SEVERAL_TENANTS = "several_tenants"
    TENANT_FORM = "unacceptable_tenant"
    SCOPES_FORM = "unacceptable_scopes"
    UNKNOWN_TENANT = "unknown_tenant"
    SUSPENDED_TENANT = "suspended_tenant"
    SCOPE = "insufficient_scope"


_DENIALS: Final[dict[Denial, str]] = {
    Denial.NO_TENANT: "The caller belongs to no tenant",
    Denial.SEVERAL_TENANTS: "The caller belongs to several tenants; exactly one is required",
    Denial.TENANT_FORM: "The tenant claim does not have an accepted form",
    Denial.SCOPES_FORM: "The roles or scopes of the token do not have an accepted form",
    Denial.UNKNOWN_TENANT: "The tenant is not known here",
    Denial.SUSPENDED_TENANT: "The tenant is suspended",
    Denial.SCOPE: "The token does not carry the scope this needs",
}


class AuthenticationError(Exception):
    """Base of every refusal; `status` is the HTTP status it maps to, `reason` a stable code."""

    status: int = 401

    def __init__(self, reason: str, description: str) -> None:
        super().__init__(f"{description} ({reason})")
        self.reason = reason
        self.description = description

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to the refusal."""
        return {}


class Unauthenticated(AuthenticationError):  # noqa: N818 - says what is the case
    """No, or no acceptable, credentials: 401 with a `WWW-Authenticate` challenge (RFC 6750, section 3)."""

    status = 401

    def __init__(self, fault: TokenFault) -> None:
        super().__init__(fault.value, _FAULTS[fault])
        self.fault = fault

    @property
    def headers(self) -> dict[str, str]:
        challenge = f'Bearer realm="{REALM}"'
        if self.fault not in _WITHOUT_ERROR:
            challenge += f', error="invalid_token", error_description="{self.description}"'
        return {"WWW-Authenticate": challenge}


class Forbidden(AuthenticationError):  # noqa: N818 - says what is the case
    """Authenticated, but not allowed: 403."""

    status = 403

    def __init__(self, denial: Denial, *, required_scope: str | None = None) -> None:
        super().__init__(denial.value, _DENIALS[denial])
        self.denial = denial
        self.required_scope = required_scope

    @property
    def headers(self) -> dict[str, str]:
        if self.required_scope is None:
            return {}
        challenge = (
            f'Bearer realm="{REALM}", error="insufficient_scope", '
            f'error_description="{self.description}", scope="{self.required_scope}"'
        )
        return {"WWW-Authenticate": challenge}


class IssuerUnavailable(AuthenticationError):  # noqa: N818 - says what is the case
    """Nothing can be said about the token because the issuer, or the tenant directory, cannot be read: 503.

    `detail` is for the log; the client sees the fixed description.
    """

    status = 503

    def __init__(self, detail: str) -> None:
        super().__init__("issuer_unavailable", "The identity provider cannot be reached")
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.description}: {self.detail}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}
