"""Counts every HTTP response, refused ones included."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.telemetry import RESPONSES


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
