"""The client-credentials grant: from a form and a header to a signed access token (RFC 6749, RFC 9068)."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus
from uuid import uuid4

from joserfc import jwt

from auth.issuer.state import IssuerState
from auth.tenant_file import Application, TenantEntry, Tenants

_PARAMETERS: Final = 16


class OAuthError(Exception):
    """An error answer of the token endpoint (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """What every token of this issuer says; `lifetime` in seconds."""

    issuer: str
    audience: str
    lifetime: int


def read_form(body: bytes) -> dict[str, str]:
    """Parse the form; a parameter sent twice is `invalid_request` (RFC 6749, section 3.2)."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_PARAMETERS)
    except ValueError as error:
        raise OAuthError("invalid_request", "The form cannot be read") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A parameter is given twice")
    # An empty value counts as absent (RFC 6749, section 3.2).
    return {name: value for name, value in form.items() if value}


def authenticate_client(
    authorization: str | None, form: Mapping[str, str], state: IssuerState, tenants: Tenants
) -> tuple[Application, TenantEntry | None]:
    """The client that proves its secret by `client_secret_basic` or `client_secret_post`, not both."""
    if authorization is not None:
        if "client_secret" in form:
            raise OAuthError("invalid_request", "The client authenticates in two ways")
        client_id, secret = _basic(authorization)
        if form.get("client_id", client_id) != client_id:
            raise OAuthError("invalid_request", "The form names another client than the header")
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    found = tenants.application(client_id)
    expected = state.client_secrets.get(client_id, "")
    matches = hmac.compare_digest(expected.encode(), secret.encode("utf-8", "surrogatepass"))
    if found is None or not expected or not matches:
        raise OAuthError("invalid_client", "Unknown client or wrong secret", status=401)
    return found


def grant(
    form: Mapping[str, str],
    client: tuple[Application, TenantEntry | None],
    state: IssuerState,
    terms: TokenTerms,
    now: float,
) -> dict[str, Any]:
    """The token endpoint's answer for an authenticated client. Raises `OAuthError`."""
    if "grant_type" not in form:
        raise OAuthError("invalid_request", "grant_type is missing")
    if form["grant_type"] != "client_credentials":
        raise OAuthError("unsupported_grant_type", "Only client_credentials is supported")
    application, tenant = client
    asked = frozenset(form["scope"].split()) if "scope" in form else application.scopes
    if not asked <= application.scopes:
        raise OAuthError("invalid_scope", "The client may not have that scope")
    issued_at = int(now)
    scope = " ".join(sorted(asked))
    claims: dict[str, Any] = {
        "iss": terms.issuer,
        "sub": application.id,
        "aud": [terms.audience],
        "iat": issued_at,
        "exp": issued_at + terms.lifetime,
        "jti": uuid4().hex,
        "client_id": application.id,
        "azp": application.id,
        "scope": scope,
    }
    if tenant is not None:
        claims["tenant"] = tenant.id
    key = state.signing_key()
    header = {"typ": "at+jwt", "alg": "RS256", "kid": key.kid}
    token = jwt.encode(header, claims, key.private_key, algorithms=["RS256"])
    return {"access_token": token, "token_type": "Bearer", "expires_in": terms.lifetime, "scope": scope}


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "Only Basic authentication is supported", status=401)
    try:
        client_id, separator, secret = (
            base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError) as error:
        raise OAuthError("invalid_client", "The Authorization header cannot be read", status=401) from error
    if not separator:
        raise OAuthError("invalid_client", "The Authorization header cannot be read", status=401)
    return unquote_plus(client_id), unquote_plus(secret)
