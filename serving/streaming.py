"""A judged answer as a stream of server-sent events."""

from collections.abc import AsyncGenerator

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from serving.answers import Envelope, sse, stream
from serving.errors import as_request_error, error_body
from serving.judging.chain import Event
from serving.unforeseen import log_unforeseen


class JudgedStream(StreamingResponse):
    """A stream that, however it ends, has stopped generation and judging before it returns."""

    def __init__(
        self,
        first: Event,
        rest: AsyncGenerator[Event, None],
        envelope: Envelope,
        headers: dict[str, str],
    ) -> None:
        self._rest = rest
        content = _guarded(stream(_chained(first, rest), envelope))
        super().__init__(
            content, media_type="text/event-stream", headers={**headers, "cache-control": "no-cache"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rest.aclose()


async def _guarded(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """End a stream that fails half-way with an error event, as OpenAI does, and without `[DONE]`."""
    try:
        async for chunk in chunks:
            yield chunk
    except Exception as error:  # noqa: BLE001  headers are sent: the stream itself must say what happened
        mapped = as_request_error(error)
        if mapped.status == 500:
            log_unforeseen(error)
        yield sse(error_body(mapped.status, mapped.message, mapped.code, mapped.param))


async def _chained(first: Event, rest: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    yield first
    async for event in rest:
        yield event
