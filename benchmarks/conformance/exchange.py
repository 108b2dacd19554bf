"""Sends the request of one cell and writes down everything that comes back."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cells import Cell, Channel, Ending, Route
from benchmarks.conformance.transcript import End, Transcript
from benchmarks.load.sse import EventTooLongError, SseParser

LEAVES_AFTER = 1.0
"""Seconds after which a leaving client leaves; it leaves at once when it has read something."""


def request_body(cell: Cell, answer: Answer, model: str) -> dict[str, Any]:
    """The OpenAI request of a cell: as plain as it can be."""
    body: dict[str, Any] = {"model": model, "stream": cell.stream, "max_tokens": 1024}
    if cell.route is Route.CHAT:
        body["messages"] = [{"role": "user", "content": answer.prompt}]
    else:
        body["prompt"] = answer.prompt
    if cell.n > 1:
        body["n"] = cell.n
    if cell.channel is Channel.TOOL_CALL:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": choice[0].text,
                    "description": "Looks up a bird.",
                    "parameters": {"type": "object", "properties": {"note": {"type": "string"}}},
                },
            }
            for choice in answer.choices
        ]
    return body


class Client:
    """HTTP/1.1 to one gateway; environment proxies are ignored and redirects not followed."""

    def __init__(self, url: str, headers: Mapping[str, str], patience: float) -> None:
        self._patience = patience
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=dict(headers),
            timeout=httpx.Timeout(None),  # one timeout over the whole exchange, in `hold`
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def hold(self, cell: Cell, body: dict[str, Any]) -> Transcript:
        """One exchange. Whatever the gateway does is noted, never raised."""
        transcript = Transcript()
        leaving = cell.ending is Ending.CLIENT_LEAVES
        try:
            async with asyncio.timeout(LEAVES_AFTER if leaving else self._patience):
                await self._read(cell, body, transcript, leaving=leaving)
        except TimeoutError:
            transcript.end = End.LEFT if leaving else End.SILENT
        except (httpx.HTTPError, EventTooLongError) as error:
            transcript.end = End.CUT
            transcript.error = transcript.error or type(error).__name__
        return transcript

    async def _read(self, cell: Cell, body: dict[str, Any], transcript: Transcript, *, leaving: bool) -> None:
        async with self._client.stream("POST", cell.route.value, json=body) as response:
            transcript.status = response.status_code
            transcript.take_headers(dict(response.headers))
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                _take_body(transcript, await response.aread())
                transcript.end = End.COMPLETE
                return
            parser = SseParser()
            async for received in response.aiter_raw():
                for event in parser.feed(received):
                    _take_event(transcript, event.data)
                if leaving and transcript.saw_anything:
                    transcript.end = End.LEFT
                    return
            transcript.end = End.COMPLETE if transcript.done or transcript.error else End.CUT


def _take_event(transcript: Transcript, data: str) -> None:
    if data == "[DONE]":
        transcript.done = True
        return
    try:
        transcript.take(json.loads(data))
    except ValueError:
        transcript.take({"malformed": data})


def _take_body(transcript: Transcript, body: bytes) -> None:
    try:
        found = json.loads(body)
    except ValueError:
        found = {"malformed": body.decode(errors="replace")}
    transcript.take(found)
    if transcript.status >= 400 and not transcript.error:
        transcript.error = str(found)[:200]
