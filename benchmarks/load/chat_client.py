"""One worker's connection: sends chat completions one after the other and notes when what arrived."""

import asyncio
import json
import ssl
from functools import cache
from time import perf_counter_ns
from types import TracebackType
from typing import Self

import httpx

from benchmarks.arms.arm import Arm
from benchmarks.load.answer import Answer, MalformedAnswerError, StreamedError
from benchmarks.load.arrivals import Ticket
from benchmarks.load.outcomes import Outcome, of_finish, of_status
from benchmarks.load.records import RequestRecord
from benchmarks.load.request import ChatRequest
from benchmarks.load.sse import EventTooLongError, SseParser


@cache
def _tls() -> ssl.SSLContext:
    # Loading the certificate store takes tens of milliseconds: once per process, not per worker.
    return ssl.create_default_context()


class ChatClient:
    """HTTP/1.1 keep-alive over one connection. Environment proxies are ignored and redirects not followed:
    a load test goes where it was sent and nowhere else."""

    def __init__(self, arm: Arm, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._url = f"{arm.base_url}/chat/completions"
        self._client = httpx.AsyncClient(
            headers=arm.headers(),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            timeout=httpx.Timeout(None),  # one timeout over the whole request, in `ask`
            trust_env=False,
            follow_redirects=False,
            verify=_tls(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(self, request: ChatRequest, ticket: Ticket) -> RequestRecord:
        """Sends it and reads the answer to its end. What the server did is the outcome, never raised."""
        body = json.dumps(request.body, ensure_ascii=False).encode()
        accept = "text/event-stream" if request.streamed else "application/json"
        http_request = self._client.build_request(
            "POST", self._url, content=body, headers={"Content-Type": "application/json", "Accept": accept}
        )
        seen = _Seen(request, ticket)
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.send(http_request, stream=True)
                try:
                    await seen.read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            seen.end(Outcome.ERROR, f"timeout after {self._timeout_s:g} s")
        except (MalformedAnswerError, StreamedError, EventTooLongError) as error:
            seen.end(Outcome.ERROR, f"{type(error).__name__}: {error}")
        except httpx.TransportError as error:
            begun = not isinstance(error, httpx.ConnectError)
            seen.end(Outcome.DROPPED if begun else Outcome.ERROR, f"{type(error).__name__}: {error}")
        return seen.record()


class _Seen:
    """The growing record of one request."""

    def __init__(self, request: ChatRequest, ticket: Ticket) -> None:
        self.request = request
        self.ticket = ticket
        self.answer = Answer()
        self.started_ns = perf_counter_ns()
        self.first_byte_ns: int | None = None
        self.ended_ns = 0
        self.content_ns: list[int] = []
        self.status: int | None = None
        self.outcome = Outcome.ERROR
        self.detail = ""

    async def read(self, response: httpx.Response) -> None:
        self.first_byte_ns = perf_counter_ns()
        self.status = response.status_code
        decided = of_status(response.status_code)
        if decided is not None:
            body = await response.aread()
            self.end(decided, f"HTTP {response.status_code} {body[:200].decode(errors='replace')}")
            return
        if self.request.streamed:
            parser = SseParser()
            async for received in response.aiter_bytes():
                now = perf_counter_ns()
                for event in parser.feed(received):
                    if self.answer.take_chunk(event.data):
                        self.content_ns.append(now)
        else:
            body = await response.aread()
            now = perf_counter_ns()
            if self.answer.take_body(body):
                self.content_ns.append(now)
        outcome = of_finish(self.answer.finish_reasons)
        detail = "the stream ended without a finish_reason" if outcome is Outcome.DROPPED else ""
        if outcome is not Outcome.DROPPED and not self.answer.done:
            outcome, detail = Outcome.DROPPED, "the stream ended without [DONE]"
        self.end(outcome, detail)

    def end(self, outcome: Outcome, detail: str) -> None:
        self.ended_ns = perf_counter_ns()
        self.outcome, self.detail = outcome, detail

    def record(self) -> RequestRecord:
        return RequestRecord(
            sequence=self.ticket.sequence,
            prompt=self.request.prompt,
            language=self.request.language,
            scheduled_ns=self.started_ns if self.ticket.scheduled_ns is None else self.ticket.scheduled_ns,
            started_ns=self.started_ns,
            ended_ns=self.ended_ns,
            outcome=self.outcome,
            first_byte_ns=self.first_byte_ns,
            content_ns=tuple(self.content_ns),
            streamed=self.request.streamed,
            usage_tokens=self.answer.usage_tokens,
            status=self.status,
            finish_reason=self.answer.finish_reasons[-1] if self.answer.finish_reasons else None,
            judgement=self.answer.judgement,
            detail=self.detail,
        )
