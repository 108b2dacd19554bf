"""The development issuer over HTTP: metadata, keys and the token endpoint."""

from collections.abc import Callable
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from auth.issuer.grant import OAuthError, TokenTerms, authenticate_client, grant, read_form
from auth.issuer.state import StateFile
from auth.principal import SCOPES
from auth.tenant_file import TenantFile

MAX_FORM_BYTES: Final = 16 * 1024

_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_log = structlog.get_logger("mizan.auth.issuer")


def build_app(
    state: StateFile, tenants: TenantFile, terms: TokenTerms, key_grace: float, now: Callable[[], float]
) -> FastAPI:
    """The issuer's application. `key_grace` is how long, in seconds, a replaced key stays published."""
    app = FastAPI(title="Mizan development issuer", docs_url=None, redoc_url=None, openapi_url=None)
    metadata = _metadata(terms.issuer)

    @app.get("/.well-known/openid-configuration")
    async def discovery() -> dict[str, Any]:
        return metadata

    @app.get("/jwks")
    async def jwks() -> JSONResponse:
        keys = [key.public_jwk() for key in state.read().published(now(), key_grace)]
        return JSONResponse({"keys": keys}, headers={"Cache-Control": "no-cache"})

    @app.post("/token")
    async def token(request: Request) -> Response:
        form = read_form(await _form_body(request))
        content = tenants.current()
        known = state.read()
        if not known.client_secrets.keys() >= set(content.client_ids()):
            known = state.update(lambda before: before.with_clients(content.client_ids()))
        client = authenticate_client(request.headers.get("Authorization"), form, known, content)
        answer = grant(form, client, known, terms, now())
        _log.info("token_issued", application=client[0].id, tenant=client[1].id if client[1] else None)
        return JSONResponse(answer, headers=_NO_STORE)

    @app.exception_handler(OAuthError)
    async def oauth_error(_: Request, error: OAuthError) -> Response:
        _log.info("token_refused", error=error.error, description=error.description)
        headers = dict(_NO_STORE)
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="mizan-issuer"'
        return JSONResponse(
            {"error": error.error, "error_description": error.description}, error.status, headers=headers
        )

    return app


async def _form_body(request: Request) -> bytes:
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "The body must be application/x-www-form-urlencoded")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise OAuthError("invalid_request", "The form is too large")
    return bytes(body)


def _metadata(issuer: str) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0, section 3, as far as an issuer without a login page has it (RFC 8414)."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": sorted(SCOPES),
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "azp", "scope", "tenant"],
    }
