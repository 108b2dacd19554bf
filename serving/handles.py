"""The engines as seen from the gateway: Ray Serve handles behind the judging protocols."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import ray.exceptions
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from serving.judging.gathering import Answer
from serving.judging.prompt import Question
from serving.judging.protocols import Delta, EngineError, Generation, JudgeError
from serving.replicas import EngineFacts


class RemoteEngine:
    """The native model behind a handle."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle
        self._streams = handle.options(stream=True)

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        """Stream from a replica. Closing the generator cancels the call, which aborts the generation."""
        deltas = self._streams.generate.remote(generation)
        try:
            async for delta in deltas:
                yield delta
        except Exception as error:
            raise engine_error(error) from error
        finally:
            deltas.cancel()

    async def facts(self) -> EngineFacts:
        facts: EngineFacts = await self._handle.facts.remote()
        return facts

    async def check_ready(self) -> None:
        """Raise EngineError unless a replica generates a token now."""
        await _ready(self._handle)


class RemoteJudge:
    """The judge model behind a handle: the batch call of a GatheringScorer."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def __call__(self, questions: list[Question]) -> list[Answer]:
        """Ask a replica. Raises JudgeError when none answers; cancellation cancels the call."""
        response = self._handle.score.remote(questions)
        try:
            answers: list[Answer] = await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except Exception as error:
            raise _judge_error(error) from error
        return answers

    async def facts(self) -> EngineFacts:
        facts: EngineFacts = await self._handle.facts.remote()
        return facts

    async def check_ready(self) -> None:
        """Raise EngineError unless a replica generates a token now."""
        await _ready(self._handle)


async def _ready(handle: DeploymentHandle[Any]) -> None:
    try:
        await handle.check_ready.remote()
    except Exception as error:
        raise engine_error(error) from error


def engine_error(error: Exception) -> EngineError:
    """Map what a handle raises. Ray wraps a replica's own error; its cause is what counts."""
    cause = getattr(error, "cause", None)
    for candidate in (error, cause):
        if isinstance(candidate, EngineError):
            return EngineError(candidate.status, candidate.message, candidate.code, candidate.param)
    if isinstance(error, BackPressureError | DeploymentUnavailableError):
        return EngineError(503, "The model has no free replica; try again shortly.", code="model_overloaded")
    # A task error is the replica's own failure; it is restarting only where the cause is Ray's.
    failed = cause if isinstance(error, ray.exceptions.RayTaskError) else error
    if isinstance(failed, ray.exceptions.RayError | RayServeException):
        return EngineError(503, "The model is restarting; try again shortly.", code="model_unavailable")
    return EngineError(502, "The model failed to answer.", code="model_failed")


def _judge_error(error: Exception) -> JudgeError:
    cause = getattr(error, "cause", None)
    for candidate in (error, cause):
        if isinstance(candidate, JudgeError):
            return JudgeError(candidate.reason, str(candidate))
    reason = "overloaded" if isinstance(error, BackPressureError) else "unavailable"
    return JudgeError(reason, f"the judge could not be reached: {type(error).__name__}")
