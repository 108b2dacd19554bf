"""Servers in this process's event loop that can be stopped and started again on the same port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from benchmarks.conformance.cells import JudgeState
from benchmarks.conformance.upstream.journal import Journal
from benchmarks.conformance.upstream.judge import ScriptedJudge
from benchmarks.conformance.upstream.model import ScriptedModel
from benchmarks.simulated_server import bind_loopback


class Listener:
    """One server on one loopback port. Stopped, the port refuses connections and the open ones are gone."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self._app = app
        self._socket: socket.socket | None = bind_loopback(port)
        self.port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        if self._task is not None:
            return
        found = self._socket or bind_loopback(self.port)
        self._socket = None
        config = uvicorn.Config(
            self._app,
            log_level="critical",
            access_log=False,
            ws="none",
            lifespan="off",
            timeout_keep_alive=600,
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        # Not `serve`, which would take over the process's signals.
        self._task = asyncio.create_task(self._server._serve([found]))
        while not self._server.started:
            if self._task.done():
                raise OSError(f"the scripted server on port {self.port} did not start")
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._task is None or self._server is None:
            return
        self._server.should_exit = self._server.force_exit = True
        await self._task
        self._task = self._server = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """The model and the judge of one run, listening."""

    model: ScriptedModel
    judge: ScriptedJudge
    journal: Journal
    model_listener: Listener
    judge_listener: Listener

    async def set_judge(self, state: JudgeState) -> None:
        """From now on the judge behaves so."""
        self.judge.state = state
        if state is JudgeState.DOWN:
            await self.judge_listener.stop()
        else:
            await self.judge_listener.start()


@asynccontextmanager
async def scripted_upstream(model_port: int = 0, judge_port: int = 0) -> AsyncIterator[Upstream]:
    """Both servers on loopback; port 0 takes a free one. Raises OSError where a port is taken."""
    journal = Journal()
    model, judge = ScriptedModel(), ScriptedJudge(journal)
    listeners = Listener(model.app(), model_port), Listener(judge.app(), judge_port)
    for listener in listeners:
        await listener.start()
    try:
        yield Upstream(model, judge, journal, *listeners)
    finally:
        for listener in listeners:
            await listener.stop()
