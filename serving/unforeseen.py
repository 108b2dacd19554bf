"""Errors that nobody foresaw: answered with 500, and logged by kind and place alone.

An exception's message may quote what was said, and the variables around it a token: neither may reach a log.
"""

import traceback
from pathlib import Path

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import as_request_error, error_response

LOG = structlog.get_logger(__name__)

_INNERMOST = 12
"""Frames that a log line names."""


def log_unforeseen(error: Exception) -> None:
    """Log what kind of error it was and where it came from."""
    kinds: list[str] = []
    places: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(kinds) < 5:
        kinds.append(type(cause).__name__)
        frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(cause.__traceback__)]
        places += [
            f"{Path(code.co_filename).name}:{line} {code.co_name}" for code, line in frames[-_INNERMOST:]
        ]
        cause = cause.__cause__ or cause.__context__
    LOG.error("request failed", error=" from ".join(kinds), at=places)


class Unforeseen:
    """ASGI middleware. What the routes' own handlers left goes no further: a server would log its message."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watching(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watching)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            log_unforeseen(error)
            await error_response(as_request_error(error))(scope, receive, send)
