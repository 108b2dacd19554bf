"""What the gateway makes of whatever a Ray Serve handle raises."""

import asyncio
import pickle
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import ray.exceptions
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from serving.handles import RemoteEngine, RemoteJudge, engine_error
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.protocols import Delta, EngineError, Generation, JudgeError, Usage
from serving.replicas import EngineFacts

OWN = EngineError(400, "too long", code="context_length_exceeded", param="messages")
QUESTION = Question("harm", (Segment("?"),), ("Yes", "No"))


def wrapped(cause: Exception, dual: bool = True) -> Exception:
    """A replica's error as Ray hands it over: as a class of both, or with the cause inside."""
    error = ray.exceptions.RayTaskError("generate", "Traceback …", cause)
    return error.as_instanceof_cause() if dual else error  # type: ignore[no-any-return]  # ray is untyped


@pytest.mark.parametrize(
    "error", [OWN, wrapped(OWN), wrapped(OWN, dual=False)], ids=["plain", "dual", "inside"]
)
def test_the_replicas_own_error_is_what_counts(error: Exception) -> None:
    mapped = engine_error(error)
    assert type(mapped) is EngineError
    assert (mapped.status, mapped.message, mapped.code, mapped.param) == (
        400, "too long", "context_length_exceeded", "messages",
    )  # fmt: skip
    assert pickle.loads(pickle.dumps(mapped)).param == "messages"  # noqa: S301  just pickled here


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BackPressureError(1, 1), 503, "model_overloaded"),
        (DeploymentUnavailableError("Native"), 503, "model_overloaded"),
        (ray.exceptions.ActorDiedError(), 503, "model_unavailable"),
        (ray.exceptions.ActorUnavailableError("away", b"0" * 16), 503, "model_unavailable"),
        (ray.exceptions.TaskCancelledError(), 503, "model_unavailable"),
        (wrapped(ray.exceptions.ActorDiedError(), dual=False), 503, "model_unavailable"),
        (wrapped(RuntimeError("a secret of the inside")), 502, "model_failed"),
        (wrapped(RuntimeError("a secret of the inside"), dual=False), 502, "model_failed"),
        (RuntimeError("a secret of the inside"), 502, "model_failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_other_errors(error: Exception, status: int, code: str) -> None:
    mapped = engine_error(error)
    assert (mapped.status, mapped.code) == (status, code)
    assert "secret" not in mapped.message


class Call:
    """What a handle's `remote` returns: awaitable or iterable, and cancellable."""

    def __init__(self, *results: Any) -> None:
        self.results = results
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __await__(self) -> Any:
        return self._one().__await__()

    async def _one(self) -> Any:
        [result] = self.results
        if result is None:
            await asyncio.sleep(60)
        if isinstance(result, Exception):
            raise result
        return result

    async def __aiter__(self) -> AsyncGenerator[Any, None]:
        for result in self.results:
            if isinstance(result, Exception):
                raise result
            yield result


class Handle:
    """A handle whose every method answers with the given call."""

    def __init__(self, *results: Any) -> None:
        self.call = Call(*results)

    def options(self, **_: Any) -> "Handle":
        return self

    def __getattr__(self, _: str) -> Any:
        return type("Method", (), {"remote": lambda _, *arguments: self.call})()


GENERATION = Generation("id", {})
DELTAS = (Delta(usage=Usage(1, 1)), Delta(usage=Usage(1, 2)))


async def test_a_generation() -> None:
    handle = Handle(*DELTAS)
    assert [delta async for delta in RemoteEngine(handle).generate(GENERATION)] == list(DELTAS)


async def test_a_closed_generation_cancels_the_call() -> None:
    handle = Handle(*DELTAS)
    generation = RemoteEngine(handle).generate(GENERATION)
    await anext(generation)
    assert not handle.call.cancelled
    await generation.aclose()
    assert handle.call.cancelled


async def test_a_generation_that_fails() -> None:
    generation = RemoteEngine(Handle(DELTAS[0], wrapped(OWN))).generate(GENERATION)
    await anext(generation)
    with pytest.raises(EngineError, match="too long"):
        await anext(generation)


async def test_facts_and_readiness() -> None:
    facts = EngineFacts(8192, ("<s>",))
    assert await RemoteEngine(Handle(facts)).facts() == facts
    assert await RemoteJudge(Handle(facts)).facts() == facts
    for remote in (RemoteEngine(Handle(wrapped(OWN))), RemoteJudge(Handle(wrapped(OWN)))):
        with pytest.raises(EngineError, match="too long"):
            await remote.check_ready()


async def test_the_judge() -> None:
    scores = LabelScores(({"Yes": -1.0, "No": -2.0},))
    assert await RemoteJudge(Handle([scores]))([QUESTION]) == [scores]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (JudgeError("context_exceeded", "too long"), "context_exceeded"),
        (wrapped(JudgeError("context_exceeded", "too long")), "context_exceeded"),
        (BackPressureError(1, 1), "overloaded"),
        (ray.exceptions.ActorDiedError(), "unavailable"),
        (wrapped(RuntimeError("a secret")), "unavailable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_a_judge_that_fails(error: Exception, reason: str) -> None:
    with pytest.raises(JudgeError) as failed:
        await RemoteJudge(Handle(error))([QUESTION])
    assert failed.value.reason == reason
    assert "secret" not in str(failed.value)


async def test_a_cancelled_check_cancels_the_call() -> None:
    handle = Handle(None)
    check = asyncio.create_task(RemoteJudge(handle)([QUESTION]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    check.cancel()
    with pytest.raises(asyncio.CancelledError):
        await check
    assert handle.call.cancelled
