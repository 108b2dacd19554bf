"""The scripted judge: flags the forbidden phrases, writes down what it passed, and fails on demand.

It speaks three dialects, so that each gateway asks it in its own way:

- `POST /score`: label log-probabilities, for Mizan's simulated judge engine;
- `POST /beta/litellm_basic_guardrail_api`: LiteLLM's generic guardrail API;
- `POST /v1/chat/completions`: a language model that answers yes (block) or no, for NeMo Guardrails'
  self check. The judged text stands between `<<<` and `>>>` there.
"""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Callable
from itertools import cycle
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.conformance.cells import JudgeState
from benchmarks.conformance.upstream.journal import Journal, forbidden

SLOW = 0.25
"""Seconds that each check of a slow judge takes."""

Verdicts = list[bool]


class JudgeDiedError(Exception):
    """Raised inside a response to make the server cut the connection, as a crash would."""


class ScriptedJudge:
    """Decides by the phrase, unless its state says otherwise. `down` is its listener's affair."""

    def __init__(self, journal: Journal) -> None:
        self.state = JudgeState.HEALTHY
        self._journal = journal
        self._garbage = cycle(range(4))

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/score", self._score, methods=["POST"]),
                Route("/beta/litellm_basic_guardrail_api", self._guardrail, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )

    async def _score(self, request: Request) -> Response:
        body = await request.json()
        texts: list[str] = [str(question["text"]) for question in body["questions"]]
        labels: list[list[str]] = [question["labels"] for question in body["questions"]]

        def say(flagged: Verdicts) -> object:
            pairs = zip(labels, flagged, strict=True)
            return {"scores": [_scores(names, 0.98 if bad else 0.02) for names, bad in pairs]}

        garbage: list[object] = [
            {"scores": [{"maybe": -0.1} for _ in texts]},
            {"scores": [{name: math.log(0.02) for name in names} for names in labels]},
            {"scores": []},
            "no verdict",
        ]
        return await self._decide(texts, say, garbage)

    async def _guardrail(self, request: Request) -> Response:
        body = await request.json()
        texts = [*_strings(body.get("texts")), *_strings(body.get("tool_calls"))]
        # Together as well: what a guardrail is shown in one call it is shown as one text.
        texts = ["\n".join(texts)] if texts else []

        def say(flagged: Verdicts) -> object:
            if any(flagged):
                return {"action": "BLOCKED", "blocked_reason": "The scripted judge flagged it."}
            return {"action": "NONE"}

        return await self._decide(texts, say, [{"action": "PERHAPS"}, {}, [], "no verdict"])

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        prompt = "\n".join(_strings([message.get("content") for message in body["messages"]]))
        texts = re.findall(r"<<<(.*?)>>>", prompt, re.DOTALL)

        def say(flagged: Verdicts) -> object:
            return _completion("yes" if any(flagged) else "no")

        garbage: list[object] = [_completion("perhaps"), _completion(""), {"choices": []}, "no verdict"]
        return await self._decide(texts, say, garbage)

    async def _decide(
        self, texts: list[str], say: Callable[[Verdicts], object], garbage: list[object]
    ) -> Response:
        self._journal.calls += 1
        if self.state is JudgeState.SLOW:
            await asyncio.sleep(SLOW)
        elif self.state is JudgeState.HANGING:
            await asyncio.Event().wait()
        elif self.state is JudgeState.DYING:
            return StreamingResponse(_half(), media_type="application/json")
        elif self.state is JudgeState.GARBLED:
            return JSONResponse(garbage[next(self._garbage)])
        elif self.state is JudgeState.FAILING or (
            self.state is JudgeState.FLAPPING and self._journal.calls % 2 == 0
        ):
            return JSONResponse({"error": {"message": "scripted failure"}}, status_code=503)
        flagged = [forbidden(text) for text in texts]
        for text, bad in zip(texts, flagged, strict=True):
            if not bad:
                self._journal.note_passed(text)
        return JSONResponse(say(flagged))


async def _half() -> AsyncIterator[bytes]:
    yield b'{"scores": [{"'
    raise JudgeDiedError


def _scores(labels: list[str], violation: float) -> dict[str, float]:
    """Log-probabilities; the first label is the violation, as in Mizan's simulated judge."""
    first, *rest = labels
    share = math.log((1 - violation) / max(len(rest), 1))
    return {first: math.log(violation), **dict.fromkeys(rest, share)}


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    head = {"id": "chatcmpl-judge", "object": "chat.completion", "created": 0, "model": "judge"}
    return {**head, "choices": [choice], "usage": usage}


def _strings(value: object) -> list[str]:
    """Every string inside a JSON value, in order; strings that are JSON are read as text."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return json.loads("[]") if value is None else [str(value)]
