"""A simulated engine that asks a scripted server what to say, and another what to think of it.

For black-box checks of the whole stack: whoever tests it holds the model and the judge in its own hands, and
changes what they do while the stack runs. The server speaks OpenAI's chat completions for the native engine
and `POST /score` for a judge: `{"questions": [{"text", "labels"}]}` gives, in order,
`{"scores": [{label: log-probability}]}`. Whatever else it answers, or does not, is passed on as the judge's.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import httpx

from serving.chunks import chunk_of
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Delta, EngineError, Generation, JudgeError, Usage
from serving.simulator import Script, SimulatedEngine


class UpstreamEngine(SimulatedEngine):
    """Streams what the server of its script streams; one token a chunk."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        # Without time limits: whoever asks has its own, and what it does about them is what is tested.
        self._client = httpx.AsyncClient(
            base_url=script.server or "",
            timeout=None,  # noqa: S113  as above
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
            verify=False,  # noqa: S501  plain HTTP on loopback; loading certificates takes 20 ms
        )

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        """Stream the server's chunks. Raises EngineError where it fails or breaks off."""
        body = {**generation.body, "n": generation.n, "stream": True}
        self._unfinished += 1
        completed = 0
        try:
            async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.status_code != 200:
                    raise EngineError(502, "The model failed to answer.", code="model_failed")
                async for event in _events(response.aiter_raw()):
                    chunks = tuple(chunk_of(_counted(choice)) for choice in event["choices"])
                    completed += sum(chunk.tokens for chunk in chunks)
                    yield Delta(chunks, Usage(8, completed))
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise EngineError(502, "The model failed to answer.", code="model_failed") from error
        finally:
            self._unfinished -= 1

    async def score(self, questions: Sequence[Question]) -> list[LabelScores | JudgeError]:
        """Ask the server. A server that cannot be reached, or says something else, fails every question."""
        asked = [{"text": _judged(question), "labels": list(question.labels)} for question in questions]
        try:
            response = await self._client.post("/score", json={"questions": asked})
            response.raise_for_status()
            scores = response.json()["scores"]
        except httpx.HTTPError as error:
            return [JudgeError("unavailable", type(error).__name__) for _ in questions]
        except (ValueError, KeyError, TypeError):
            return [JudgeError("garbled", "no scores") for _ in questions]
        if not isinstance(scores, list) or len(scores) != len(questions):
            return [JudgeError("garbled", "another number of scores") for _ in questions]
        return [_scores(score, text["text"]) for score, text in zip(scores, asked, strict=True)]

    async def aclose(self) -> None:
        await self._client.aclose()


async def _events(received: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The objects of an event stream, up to `[DONE]`. Raises ValueError where it ends before."""
    rest = b""
    async for data in received:
        *whole, rest = (rest + data).split(b"\n\n")
        for event in whole:
            payload = event.removeprefix(b"data: ")
            if payload == b"[DONE]":
                return
            yield json.loads(payload)
    raise ValueError("the stream broke off")


def _counted(choice: dict[str, Any]) -> dict[str, Any]:
    speaks = any(value for name, value in (choice.get("delta") or {}).items() if name != "role")
    return {**choice, "token_ids": [0] if speaks else []}


def _judged(question: Question) -> str:
    return " ".join(segment.text for segment in question.segments if not segment.trusted)


def _scores(score: object, text: object) -> LabelScores | JudgeError:
    if not isinstance(score, Mapping):
        return JudgeError("garbled", "a score is no mapping")
    try:
        piece = {str(label): float(value) for label, value in score.items()}
    except (TypeError, ValueError):
        return JudgeError("garbled", "a score is no number")
    return LabelScores(pieces=(piece,), prompt_tokens=len(str(text).split()))
