"""Errors become HTTP in one place, and in OpenAI's shape."""

import json

import pytest
from starlette.requests import ClientDisconnect

from auth.refusals import Denial, Forbidden, IssuerUnavailable, TokenFault, Unauthenticated
from serving.errors import RequestError, as_request_error, error_body, error_response
from serving.judging.protocols import EngineError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_shape(status: int, kind: str) -> None:
    body = error_body(status, "What is wrong.", "a_code", "field")
    assert body == {"error": {"message": "What is wrong.", "type": kind, "param": "field", "code": "a_code"}}


@pytest.mark.parametrize(
    ("error", "status", "code", "header"),
    [
        (RequestError(418, "m", code="c", headers={"x": "y"}), 418, "c", "x"),
        (Unauthenticated(TokenFault.EXPIRED), 401, "expired_token", "WWW-Authenticate"),
        (Unauthenticated(TokenFault.MISSING), 401, "missing_token", "WWW-Authenticate"),
        (Forbidden(Denial.SCOPE, required_scope="chat"), 403, "insufficient_scope", "WWW-Authenticate"),
        (Forbidden(Denial.NO_TENANT), 403, "no_tenant", None),
        (IssuerUnavailable("the detail is for the log"), 503, "issuer_unavailable", "Retry-After"),
        (EngineError(503, "m", code="model_overloaded"), 503, "model_overloaded", "Retry-After"),
        (EngineError(502, "m", code="model_failed"), 502, "model_failed", None),
        (ClientDisconnect(), 499, "disconnected", None),
        (RuntimeError("the detail is for the log"), 500, "internal_error", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_mapping(error: Exception, status: int, code: str, header: str | None) -> None:
    mapped = as_request_error(error)
    assert (mapped.status, mapped.code) == (status, code)
    assert list(mapped.headers) == ([header] if header else [])
    response = error_response(mapped)
    assert response.status_code == status
    assert "for the log" not in bytes(response.body).decode()
    assert json.loads(bytes(response.body))["error"]["code"] == code
