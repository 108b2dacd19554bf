"""The simulated server inside the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from benchmarks.arms.arm import Arm
from benchmarks.simulated_server import MODEL, Behaviour, bind_loopback, build_server

Simulate = Callable[[Behaviour], Awaitable[Arm]]


@asynccontextmanager
async def _serving(behaviour: Behaviour) -> AsyncIterator[Arm]:
    listening = bind_loopback()
    server = build_server(behaviour)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield Arm("simulated", f"http://127.0.0.1:{listening.getsockname()[1]}/v1", MODEL)
    finally:
        server.should_exit = True
        await task
        listening.close()


@pytest.fixture
async def simulate() -> AsyncIterator[Simulate]:
    async with AsyncExitStack() as stack:

        async def start(behaviour: Behaviour) -> Arm:
            return await stack.enter_async_context(_serving(behaviour))

        yield start
