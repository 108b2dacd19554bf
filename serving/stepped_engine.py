"""vLLM's engine inside this process, stepped by a thread of its own: for engines that only score.

vLLM's asynchronous engine keeps its core in a second process, which imports vLLM once more (8 s of CPU,
1 GB). A generating engine gains by that; a verdict is one step, and without the second process it is also two
messages shorter. `SteppedEngine` offers what `serving.engine` uses of the asynchronous engine.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self


class EngineDeadError(RuntimeError):
    """A step failed, or the engine was stopped: its replica must be replaced."""


@dataclass(frozen=True, slots=True)
class _Asked:
    request_id: str
    prompt: Any
    params: Any
    answer: "Future[Any]"


@dataclass(frozen=True, slots=True)
class _Dropped:
    request_id: str


class SteppedEngine:
    """Requests come from an event loop; vLLM is touched by the engine's own thread only."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build
        self._inbox: queue.SimpleQueue[_Asked | _Dropped | None] = queue.SimpleQueue()
        self._open: dict[str, Future[Any]] = {}
        self._dead: EngineDeadError | None = None
        self._started: Future[Any] = Future()
        self._thread = threading.Thread(target=self._run, name="vllm-steps", daemon=True)

    @classmethod
    async def start(cls, build: Callable[[], Any]) -> Self:
        """Load the engine; `build` makes a `vllm.v1.engine.llm_engine.LLMEngine`. Raises what it raises."""
        engine = cls(build)
        engine._thread.start()
        await asyncio.wrap_future(engine._started)
        return engine

    @property
    def model_config(self) -> Any:
        """vLLM's ModelConfig."""
        return self._started.result().model_config

    async def generate(self, prompt: Any, params: Any, request_id: str) -> AsyncGenerator[Any, None]:
        """Yield the finished RequestOutput of one request. Raises what vLLM says of a bad request, or
        EngineDeadError. Closing the generator before that aborts the request."""
        await self.check_health()
        asked = _Asked(request_id, prompt, params, Future())
        self._inbox.put(asked)
        if self._dead is not None:  # it ended in between, and nobody reads the inbox any more
            _settle(asked.answer, self._dead)
        try:
            yield await asyncio.wrap_future(asked.answer)
        finally:
            if asked.answer.cancelled() or not asked.answer.done():
                self._inbox.put(_Dropped(request_id))

    async def check_health(self) -> None:
        """Raise EngineDeadError unless the engine still steps."""
        if self._dead is not None:
            raise self._dead

    def get_num_unfinished_requests(self) -> int:
        """Requests in vLLM's hands or on their way there."""
        return len(self._open) + self._inbox.qsize()

    def shutdown(self) -> None:
        """Stop stepping; what is open fails."""
        self._inbox.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            engine = self._build()
        except BaseException as error:  # noqa: BLE001  told to whoever starts the engine
            self._dead = EngineDeadError("the engine did not start")
            self._started.set_exception(error)
            return
        self._started.set_result(engine)
        try:
            while self._take_in(engine):
                for output in engine.step():
                    if output.finished:
                        _settle(self._open.pop(output.request_id, None), output)
        except Exception as error:  # noqa: BLE001  whatever it was, this engine is not to be trusted any more
            self._end(EngineDeadError(f"a step of the engine failed: {type(error).__name__}"))
        else:
            self._end(EngineDeadError("the engine was stopped"))
        finally:
            engine.engine_core.shutdown()

    def _take_in(self, engine: Any) -> bool:
        """Hand over what has arrived, waiting where there is nothing else to do. False: stop."""
        while True:
            try:
                item = self._inbox.get(block=not self._open)
            except queue.Empty:
                return True
            if item is None:
                return False
            if isinstance(item, _Dropped):
                if self._open.pop(item.request_id, None) is not None:
                    engine.abort_request([item.request_id])
                continue
            if item.answer.cancelled():
                continue
            try:
                engine.add_request(item.request_id, item.prompt, item.params)
            except ValueError as error:
                _settle(item.answer, error)
            else:
                self._open[item.request_id] = item.answer

    def _end(self, reason: EngineDeadError) -> None:
        self._dead = reason
        waiting = list(self._open.values())
        self._open.clear()
        with suppress(queue.Empty):
            while True:
                item = self._inbox.get(block=False)
                if isinstance(item, _Asked):
                    waiting.append(item.answer)
        for answer in waiting:
            _settle(answer, reason)


def _settle(answer: "Future[Any] | None", result: Any) -> None:
    """Give an answer to whoever still waits for it."""
    if answer is None:
        return
    with suppress(InvalidStateError):
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)
