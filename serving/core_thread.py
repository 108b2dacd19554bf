"""vLLM's engine core in a thread of this process, behind vLLM's own asynchronous engine.

vLLM's asynchronous engine keeps its core in a second process, which imports vLLM once more when the first has
done so (8 s of CPU, and 1 GB). `CoreThread` stands where vLLM's client of that process would: it offers what
`AsyncLLM` and its OpenAI layers ask of one (`vllm.v1.engine.core_client.AsyncMPClient`).
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Self

Work = Callable[[Any], None]


class EngineDeadError(RuntimeError):
    """A step failed, or the engine was stopped: its replica must be replaced."""


class CoreThread:
    """Work comes from an event loop; the core is touched by its own thread only."""

    def __init__(
        self,
        build: Callable[[], Any],
        refused: Callable[[str], Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`build` makes a `vllm.v1.engine.core.EngineCore`, `refused` the outputs of a request it refuses."""
        self._build = build
        self._refused = refused
        self._loop = loop
        self._inbox: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._outputs: asyncio.Queue[Any] = asyncio.Queue()
        self._started: Future[Any] = Future()
        self._asked: list[Future[Any]] = []
        self._thread = threading.Thread(target=self._run, name="vllm-core", daemon=True)
        self.engine_ranks_managed = [0]
        self.engine_dead = False

    @classmethod
    def start(cls, build: Callable[[], Any], refused: Callable[[str], Any]) -> Self:
        """Load the core, and return when it is there, to be used by the running event loop.

        Raises what `build` raises.
        """
        core = cls(build, refused, asyncio.get_running_loop())
        core._thread.start()
        core._started.result()
        return core

    @property
    def resources(self) -> Self:
        """Where vLLM looks up `engine_dead`."""
        return self

    async def get_output_async(self) -> Any:
        """The outputs of the next step that has any. Raises EngineDeadError once no more can come."""
        outputs = await self._outputs.get()
        if isinstance(outputs, EngineDeadError):
            raise outputs
        return outputs

    async def add_request_async(self, request: Any) -> None:
        def add(core: Any) -> None:
            try:
                core.add_request(*core.preprocess_add_request(request))
            except Exception:  # noqa: BLE001  one request that the core can't take is no reason to end
                self._tell(self._refused(request.request_id))

        self._require_alive()
        request.client_index = 0
        self._inbox.put(add)

    async def abort_requests_async(self, request_ids: list[str]) -> None:
        if request_ids and not self.engine_dead:
            self._inbox.put(lambda core: core.abort_requests(request_ids))

    async def get_supported_tasks_async(self) -> Any:
        return await self._ask(lambda core: core.get_supported_tasks())

    async def reset_mm_cache_async(self) -> None:
        await self._ask(lambda core: core.reset_mm_cache())

    async def reset_prefix_cache_async(self, *arguments: bool) -> Any:
        return await self._ask(lambda core: core.reset_prefix_cache(*arguments))

    def dp_engines_running(self) -> bool:
        return False

    def shutdown(self, timeout: float | None = None) -> None:
        """Stop stepping; what is open fails."""
        self._inbox.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=10 if timeout is None else timeout)

    async def _ask(self, question: Callable[[Any], Any]) -> Any:
        answer: Future[Any] = Future()

        def work(core: Any) -> None:
            settle: Callable[[Any], None]
            try:
                settle, result = answer.set_result, question(core)
            except Exception as error:  # noqa: BLE001  told to whoever asked
                settle, result = answer.set_exception, error
            with suppress(InvalidStateError):  # whoever asked has left: no reason for the core to end
                settle(result)

        self._require_alive()
        self._asked.append(answer)
        try:
            self._inbox.put(work)
            if self.engine_dead:  # it ended in between, and nobody reads the inbox any more
                self._fail_asked()
            return await asyncio.wrap_future(answer)
        finally:
            self._asked.remove(answer)

    def _require_alive(self) -> None:
        if self.engine_dead:
            raise EngineDeadError("the engine has ended")

    def _run(self) -> None:
        try:
            core = self._build()
        except BaseException as error:  # noqa: BLE001  told to whoever starts the engine
            self.engine_dead = True
            self._started.set_exception(error)
            return
        self._started.set_result(core)
        try:
            while self._take_in(core):
                self._step(core)
        except BaseException as error:  # noqa: BLE001  Rust's panics too: this engine is not to be trusted any more
            self._end(f"a step of the engine failed: {type(error).__name__}")
        else:
            self._end("the engine was stopped")
        finally:
            core.shutdown()

    def _take_in(self, core: Any) -> bool:
        """Do what has arrived, waiting where there is nothing else to do. False: stop."""
        while True:
            try:
                work = self._inbox.get(block=not (core.scheduler.has_requests() or core.batch_queue))
            except queue.Empty:
                return True
            if work is None:
                return False
            work(core)

    def _step(self, core: Any) -> None:
        outputs, executed = core.step_fn()
        for of_client in (outputs or {}).values():
            self._tell(of_client)
        core.post_step(executed)
        if not executed and core.scheduler.has_requests():
            time.sleep(0.001)  # a grammar is being compiled: let that thread run

    def _tell(self, outputs: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(self._outputs.put_nowait, outputs)
        except RuntimeError:  # the loop is closed: nobody reads any more
            self.engine_dead = True

    def _end(self, reason: str) -> None:
        self.engine_dead = True
        self._fail_asked()
        self._tell(EngineDeadError(reason))

    def _fail_asked(self) -> None:
        for answer in list(self._asked):
            with suppress(InvalidStateError):
                answer.set_exception(EngineDeadError("the engine has ended"))
