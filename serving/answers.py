"""Turns the chain's events into what an OpenAI client reads: one object, or a stream of chunks."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from serving.judging.chain import Block, Event, Release, Settlement
from serving.judging.judgement import Judgement
from serving.judging.protocols import Chunk, Usage
from serving.refusals import refusal_text


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every object of one answer repeats. `created` is seconds since the epoch."""

    request_id: str
    model: str
    accept_language: str | None = None
    include_usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    def wrap(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        head = {"id": f"chatcmpl-{self.request_id}", "object": kind, "created": self.created}
        return {**head, "model": self.model, "choices": choices, **more}

    def refusal(self, judgement: Judgement) -> str:
        return refusal_text(judgement.verdict.outcome, self.accept_language)


async def complete(events: AsyncIterator[Event], envelope: Envelope, n: int) -> dict[str, Any]:
    """Gather a whole answer. A blocked choice keeps nothing of what the model had said."""
    choices = [_Gathered(index) for index in range(n)]
    settled: Settlement | None = None
    async for event in events:
        if isinstance(event, Release):
            choices[event.choice].add(event.chunks, event.judgement)
        elif isinstance(event, Block):
            choices[event.choice].block(envelope.refusal(event.judgement), event.judgement)
        else:
            settled = event
    if settled is None:
        raise RuntimeError("the chain ended without a settlement")
    body = envelope.wrap("chat.completion", [choice.public() for choice in choices])
    return {**body, "usage": usage_object(settled.usage), "judgement": settled.judgement.public()}


async def stream(events: AsyncIterator[Event], envelope: Envelope) -> AsyncGenerator[bytes, None]:
    """Server-sent events as OpenAI sends them. The last chunk before `[DONE]` carries the judgement."""
    writer = _Writer(envelope)
    async for event in events:
        for message in writer.write(event):
            yield sse(message)
    yield b"data: [DONE]\n\n"


class _Writer:
    """Turns events into chunks. A choice's last chunk is kept until the next event: only the settlement tells
    which of them is the stream's last."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._kept: dict[str, Any] | None = None
        self._said: set[int] = set()

    def write(self, event: Event) -> Iterator[dict[str, Any]]:
        """The chunks that may be sent now."""
        if isinstance(event, Settlement):
            yield from self._end(event)
            return
        if self._kept is not None:
            yield self._kept
            self._kept = None
        if isinstance(event, Block):
            self._kept = self._wrap([_blocked(event, self._envelope, event.choice in self._said)])
        else:
            yield from self._release(event)

    def _release(self, event: Release) -> Iterator[dict[str, Any]]:
        if any(chunk.text for chunk in event.chunks):
            self._said.add(event.choice)
        *before, final = event.chunks
        for chunk in before:
            yield self._wrap([chunk.payload])
        if event.judgement is None:
            yield self._wrap([final.payload])
        else:
            self._kept = self._wrap([{**final.payload, "judgement": event.judgement.public()}])

    def _end(self, settlement: Settlement) -> Iterator[dict[str, Any]]:
        if self._envelope.include_usage:
            if self._kept is not None:
                yield self._kept
            self._kept = self._wrap([], usage=usage_object(settlement.usage))
        if self._kept is not None:
            yield {**self._kept, "judgement": settlement.judgement.public()}

    def _wrap(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return self._envelope.wrap("chat.completion.chunk", choices, **more)


def sse(message: dict[str, Any]) -> bytes:
    return (
        b"data: "
        + json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        + b"\n\n"
    )


def usage_object(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def _blocked(block: Block, envelope: Envelope, said: bool) -> dict[str, Any]:
    """The last chunk of a blocked choice. Where part of an answer was shown, the refusal stays apart."""
    text = envelope.refusal(block.judgement)
    delta = {"refusal": text} if said else {"role": "assistant", "content": text, "refusal": text}
    return {
        "index": block.choice,
        "delta": delta,
        "logprobs": None,
        "finish_reason": "content_filter",
        "judgement": block.judgement.public(),
    }


@dataclass(slots=True)
class _Gathered:
    """One choice of a non-streamed answer, put together from its chunks."""

    index: int
    message: dict[str, Any] = field(default_factory=lambda: {"role": "assistant", "content": None})
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    judgement: Judgement | None = None

    def add(self, chunks: tuple[Chunk, ...], judgement: Judgement | None) -> None:
        for chunk in chunks:
            self._merge(chunk.payload.get("delta") or {})
            logprobs = chunk.payload.get("logprobs") or {}
            self.logprobs.extend(logprobs.get("content") or [])
            self.finish_reason = chunk.finish_reason or self.finish_reason
        self.judgement = judgement or self.judgement

    def block(self, refusal: str, judgement: Judgement) -> None:
        self.message = {"role": "assistant", "content": refusal, "refusal": refusal}
        self.logprobs = []
        self.finish_reason = "content_filter"
        self.judgement = judgement

    def public(self) -> dict[str, Any]:
        self.message.setdefault("refusal", None)
        return {
            "index": self.index,
            "message": self.message,
            "logprobs": {"content": self.logprobs} if self.logprobs else None,
            "finish_reason": self.finish_reason,
            "judgement": None if self.judgement is None else self.judgement.public(),
        }

    def _merge(self, delta: dict[str, Any]) -> None:
        for name in ("content", "reasoning", "reasoning_content", "refusal"):
            if delta.get(name) is not None:
                self.message[name] = (self.message.get(name) or "") + delta[name]
        for call in delta.get("tool_calls") or []:
            self._merge_call(call)

    def _merge_call(self, call: dict[str, Any]) -> None:
        calls = self.message.setdefault("tool_calls", [])
        while len(calls) <= call["index"]:
            calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        merged = calls[call["index"]]
        merged["id"] = call.get("id") or merged["id"]
        function = call.get("function") or {}
        merged["function"]["name"] += function.get("name") or ""
        merged["function"]["arguments"] += function.get("arguments") or ""
