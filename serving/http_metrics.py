"""Counts every HTTP response, refused ones included, and says who may read the counts."""

import hmac
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth.bearer import bearer_token
from serving.errors import RequestError
from serving.settings import GatewaySettings
from serving.telemetry import RESPONSES


def require_metrics_token(settings: GatewaySettings, authorization_headers: Sequence[str]) -> None:
    """Let a reader of /metrics pass who brings the token. Raises AuthenticationError, RequestError 401."""
    if settings.metrics_token is None:
        if settings.metrics_open:
            return
        raise _refusal("Metrics are closed: gateway.metrics_token is not set.")
    given, expected = bearer_token(authorization_headers), settings.metrics_token.get_secret_value()
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise _refusal("This is not the token for metrics.")


def _refusal(message: str) -> RequestError:
    headers = {"WWW-Authenticate": 'Bearer realm="metrics"'}
    return RequestError(401, message, code="metrics_token", headers=headers)


class HttpMetrics:
    """ASGI middleware. Unknown paths are one label, so that nobody can make labels up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unknown")
                RESPONSES.labels(route, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counting)
