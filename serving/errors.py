"""Errors in the OpenAI shape. The one place where errors become HTTP."""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from auth.refusals import AuthenticationError
from serving.judging.protocols import EngineError

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class RequestError(Exception):
    """A request that is refused. `param` names the field, `code` is stable, `message` is for people.

    `kind` is OpenAI's `type`, where the status alone does not give it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.headers = dict(headers or {})


def error_body(
    status: int, message: str, code: str | None = None, param: str | None = None, kind: str | None = None
) -> dict[str, Any]:
    """The OpenAI error object: `{"error": {"message", "type", "param", "code"}}`."""
    kind = kind or _TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def as_request_error(error: Exception) -> RequestError:
    """Map whatever a route raises. An unforeseen error says nothing about itself."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, AuthenticationError):
        return RequestError(error.status, f"{error.description}.", code=error.reason, headers=error.headers)
    if isinstance(error, EngineError):
        headers = {"Retry-After": "1"} if error.status == 503 else {}
        return RequestError(error.status, error.message, code=error.code, param=error.param, headers=headers)
    if isinstance(error, ClientDisconnect):
        return RequestError(499, "The client has disconnected.", code="disconnected")  # read by nobody
    return RequestError(500, "The server failed to handle this request.", code="internal_error")


def error_response(error: RequestError) -> JSONResponse:
    body = error_body(error.status, error.message, error.code, error.param, error.kind)
    return JSONResponse(body, error.status, headers=error.headers)
