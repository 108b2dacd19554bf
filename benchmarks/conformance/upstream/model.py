"""The scripted model: an OpenAI-compatible server that says what the cell's script says, chunk by chunk."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.conformance.answers import KEY_LENGTH, MARK, Answer, Piece
from benchmarks.conformance.cells import Channel

MODEL = "scripted"
_KEY = re.compile(re.escape(MARK) + rf"([a-z]{{{KEY_LENGTH}}})\]")
_TORN = 5


class ModelDiedError(Exception):
    """Raised inside a response to make the server cut the connection, as a crash would."""


class ScriptedModel:
    """Answers by the key in the prompt; anything else gets a plain sentence."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self.left: dict[str, float] = {}
        """When the gateway broke off the generation of a cell (seconds, monotonic)."""
        self.begun: set[str] = set()
        self.ended: set[str] = set()

    def learn(self, answer: Answer) -> None:
        self._answers[answer.key] = answer

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/completions", self._complete, methods=["POST"]),
                Route("/v1/models", _models),
            ]
        )

    async def _chat(self, request: Request) -> Response:
        return await self._answer(request, chat=True)

    async def _complete(self, request: Request) -> Response:
        return await self._answer(request, chat=False)

    async def _answer(self, request: Request, *, chat: bool) -> Response:
        body = await request.json()
        found = _KEY.search(json.dumps(body.get("messages") or body.get("prompt"), ensure_ascii=False))
        answer = self._answers.get(found[1]) if found else None
        if answer is None:
            answer = Answer("unasked", ((Piece(Channel.CONTENT, "The scripted model has no script."),),))
        self.begun.add(answer.key)
        n = min(int(body.get("n") or 1), len(answer.choices))
        events = self._watched(answer, _events(answer, n, chat=chat))
        if body.get("stream"):
            return StreamingResponse(_encoded(events, torn=answer.torn), media_type="text/event-stream")
        choices: list[dict[str, Any]] = [{} for _ in range(n)]
        async for event in events:
            for part in event["choices"]:
                _merge(choices[part["index"]], part)
            if await request.is_disconnected():
                self.left[answer.key] = time.monotonic()
                return Response(status_code=499)
        kind = "chat.completion" if chat else "text_completion"
        return JSONResponse({**_head(answer.key, kind), "choices": choices, "usage": _usage(answer)})

    async def _watched(
        self, answer: Answer, events: AsyncIterator[dict[str, Any]]
    ) -> AsyncIterator[dict[str, Any]]:
        try:
            async for event in events:
                yield event
            self.ended.add(answer.key)
        except (asyncio.CancelledError, GeneratorExit):
            self.left[answer.key] = time.monotonic()
            raise


async def _events(answer: Answer, n: int, *, chat: bool) -> AsyncIterator[dict[str, Any]]:
    """The chunks of all choices in step, as parsed objects. Raises ModelDiedError as scripted."""
    kind = "chat.completion.chunk" if chat else "text_completion"
    longest = max(len(choice) for choice in answer.choices[:n])
    for position in range(longest):
        if answer.dies and position * 2 > longest:
            raise ModelDiedError
        choices = [
            _choice(index, answer, position, chat=chat)
            for index in range(n)
            if position < len(answer.choices[index])
        ]
        yield {**_head(answer.key, kind), "choices": choices}
        await asyncio.sleep(answer.pace)
    if answer.finish_apart:
        ends = [_ended(index, answer.choices[index], chat=chat) for index in range(n)]
        yield {**_head(answer.key, kind), "choices": ends}


def _choice(index: int, answer: Answer, position: int, *, chat: bool) -> dict[str, Any]:
    pieces = answer.choices[index]
    piece = pieces[position]
    last = position == len(pieces) - 1 and not answer.finish_apart
    finish = _finish(pieces) if last else None
    if not chat:
        return {"index": index, "text": piece.text, "logprobs": None, "finish_reason": finish}
    delta: dict[str, Any] = {"role": "assistant"} if position == 0 else {}
    if piece.channel is Channel.CONTENT:
        delta["content"] = piece.text
    elif piece.channel is Channel.REASONING:
        delta["reasoning_content"] = piece.text
    elif piece.opens_call:
        function = {"name": piece.text, "arguments": ""}
        delta["tool_calls"] = [
            {"index": 0, "id": f"call_{answer.key}", "type": "function", "function": function}
        ]
    else:
        delta["tool_calls"] = [{"index": 0, "function": {"arguments": piece.text}}]
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _ended(index: int, pieces: tuple[Piece, ...], *, chat: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
    return {"index": index, **said, "logprobs": None, "finish_reason": _finish(pieces)}


def _finish(pieces: tuple[Piece, ...]) -> str:
    return "tool_calls" if any(piece.opens_call for piece in pieces) else "stop"


def _merge(whole: dict[str, Any], part: dict[str, Any]) -> None:
    """Put a chunk's choice to the choice of an answer that is not streamed."""
    whole["index"] = part["index"]
    whole["finish_reason"] = part["finish_reason"]
    if "text" in part:
        whole["text"] = whole.get("text", "") + part["text"]
        return
    message = whole.setdefault("message", {"role": "assistant", "content": None})
    for name in ("content", "reasoning_content"):
        if name in part["delta"]:
            message[name] = (message.get(name) or "") + part["delta"][name]
    for call in part["delta"].get("tool_calls", []):
        if "id" in call:
            opened = {key: value for key, value in call.items() if key != "index"}
            message.setdefault("tool_calls", []).append({**opened, "function": {**call["function"]}})
        else:
            message["tool_calls"][-1]["function"]["arguments"] += call["function"]["arguments"]


async def _encoded(events: AsyncIterator[dict[str, Any]], *, torn: bool) -> AsyncIterator[bytes]:
    async for event in events:
        # No escapes: the bytes of a character are to be there for the network to part.
        data = b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"
        if not torn:
            yield data
            continue
        for piece in _torn(data):
            yield piece
            await asyncio.sleep(0)
    yield b"data: [DONE]\n\n"


def _torn(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _TORN):
        yield data[start : start + _TORN]


def _head(key: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{key}", "object": kind, "created": 0, "model": MODEL}


def _usage(answer: Answer) -> dict[str, int]:
    said = sum(len(choice) for choice in answer.choices)
    return {"prompt_tokens": 8, "completion_tokens": said, "total_tokens": 8 + said}


async def _models(_: Request) -> Response:
    return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "suite"}]})
