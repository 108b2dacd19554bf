"""The thread that steps vLLM's core, with a core that a test can hold and break."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from serving.core_thread import CoreThread, EngineDeadError

PATIENCE = 30


@dataclass
class Request:
    request_id: str
    client_index: int | None = None


@dataclass
class HeldCore:
    """Stands for vLLM's EngineCore: each step waits until the test lets it go, then finishes what is open."""

    open: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stepping: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    shut: threading.Event = field(default_factory=threading.Event)
    threads: set[int] = field(default_factory=set)
    batch_queue: None = None

    def __post_init__(self) -> None:
        self.scheduler = SimpleNamespace(has_requests=lambda: bool(self.open))

    def preprocess_add_request(self, request: Request) -> tuple[Request, int]:
        if request.request_id == "bad":
            raise ValueError("no such grammar")
        return request, 0

    def add_request(self, request: Request, wave: int) -> None:
        self.threads.add(threading.get_ident())
        self.open.append(request.request_id)

    def abort_requests(self, request_ids: list[str]) -> None:
        self.aborted += request_ids
        self.open = [one for one in self.open if one not in request_ids]

    def step_fn(self) -> tuple[dict[int, list[str]] | None, bool]:
        self.threads.add(threading.get_ident())
        self.stepping.set()
        assert self.go.acquire(timeout=PATIENCE)
        if self.error is not None:
            raise self.error
        done, self.open = self.open, []
        return {0: done} if done else None, bool(done)

    def post_step(self, executed: bool) -> None:
        self.threads.add(threading.get_ident())

    def get_supported_tasks(self) -> tuple[str, ...]:
        return ("generate",)

    def reset_mm_cache(self) -> None:
        raise ValueError("there is none")

    def shutdown(self) -> None:
        self.shut.set()


def refused(request_id: str) -> list[str]:
    return [f"refused {request_id}"]


@pytest.fixture
def held() -> HeldCore:
    return HeldCore()


@pytest.fixture
async def core(held: HeldCore) -> AsyncIterator[CoreThread]:
    started = CoreThread.start(lambda: held, refused)
    yield started
    held.go.release(100)
    started.shutdown()
    assert held.shut.wait(PATIENCE)


async def output(core: CoreThread) -> Any:
    return await asyncio.wait_for(core.get_output_async(), PATIENCE)


async def under_way(held: HeldCore) -> None:
    assert await asyncio.to_thread(held.stepping.wait, PATIENCE)


async def test_what_arrives_during_a_step_goes_together_into_the_next(
    core: CoreThread, held: HeldCore
) -> None:
    await core.add_request_async(Request("first"))
    await under_way(held)
    for name in ("a", "b", "c"):
        await core.add_request_async(Request(name))
    held.go.release(2)
    assert await output(core) == ["first"]
    assert await output(core) == ["a", "b", "c"]
    assert held.threads.isdisjoint({threading.get_ident()})
    assert len(held.threads) == 1


async def test_a_request_that_the_core_refuses_fails_alone(core: CoreThread, held: HeldCore) -> None:
    await core.add_request_async(Request("bad"))
    assert await output(core) == ["refused bad"]
    await core.add_request_async(Request("good"))
    held.go.release(1)
    assert await output(core) == ["good"]
    assert not core.resources.engine_dead


async def test_an_aborted_request_is_gone(core: CoreThread, held: HeldCore) -> None:
    await core.add_request_async(Request("first"))
    await under_way(held)
    await core.add_request_async(Request("leaving"))
    await core.add_request_async(Request("staying"))
    await core.abort_requests_async(["leaving"])
    held.go.release(2)
    assert await output(core) == ["first"]
    assert await output(core) == ["staying"]
    assert held.aborted == ["leaving"]


async def test_questions_are_answered_by_the_core_s_thread(core: CoreThread, held: HeldCore) -> None:
    assert await core.get_supported_tasks_async() == ("generate",)
    with pytest.raises(ValueError, match="there is none"):
        await core.reset_mm_cache_async()
    assert not core.engine_dead


async def test_who_asks_and_leaves_ends_nothing(core: CoreThread, held: HeldCore) -> None:
    await core.add_request_async(Request("first"))
    await under_way(held)
    questions = (core.get_supported_tasks_async, core.reset_mm_cache_async)
    asked = [asyncio.create_task(question()) for question in questions]
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    held.go.release(1)
    assert await output(core) == ["first"]
    assert await core.get_supported_tasks_async() == ("generate",)
    assert not core.engine_dead


async def test_a_failed_step_ends_the_core(core: CoreThread, held: HeldCore) -> None:
    await core.add_request_async(Request("first"))
    await under_way(held)
    held.error = RuntimeError("the weights are gone")
    held.go.release(1)
    with pytest.raises(EngineDeadError, match="RuntimeError") as caught:
        await output(core)
    assert "weights" not in str(caught.value)
    assert core.resources.engine_dead
    with pytest.raises(EngineDeadError):
        await core.add_request_async(Request("second"))
    with pytest.raises(EngineDeadError):
        await core.get_supported_tasks_async()
    await core.abort_requests_async(["first"])
    assert held.shut.wait(PATIENCE)


async def test_a_stopped_core_tells_whoever_reads(held: HeldCore) -> None:
    core = CoreThread.start(lambda: held, refused)
    core.shutdown()
    with pytest.raises(EngineDeadError, match="stopped"):
        await output(core)
    assert held.shut.is_set()


async def test_a_core_that_does_not_start_says_why() -> None:
    def build() -> Any:
        raise MemoryError("no room for the weights")

    with pytest.raises(MemoryError, match="no room"):
        CoreThread.start(build, refused)


async def test_whatever_breaks_a_step_is_noticed(core: CoreThread, held: HeldCore) -> None:
    """Rust's panics are no Exception; a core that ended unnoticed would leave everybody waiting."""
    await core.add_request_async(Request("first"))
    await under_way(held)
    asked = asyncio.create_task(core.get_supported_tasks_async())
    await asyncio.sleep(0)
    held.error = SystemExit("a panic")
    held.go.release(1)
    with pytest.raises(EngineDeadError):
        await output(core)
    with pytest.raises(EngineDeadError):
        await asyncio.wait_for(asked, PATIENCE)
    assert core.engine_dead
