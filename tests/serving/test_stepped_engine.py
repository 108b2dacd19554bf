"""The thread that steps vLLM for engines that only score, with an engine that a test can hold and break."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from serving.stepped_engine import EngineDeadError, SteppedEngine

PATIENCE = 30


@dataclass
class Output:
    request_id: str
    finished: bool = True


@dataclass
class Held:
    """Stands for vLLM's LLMEngine: each step waits until the test lets it go, then finishes what is open."""

    model_config: str = "facts"
    open: list[str] = field(default_factory=list)
    seen: list[list[str]] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stepping: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    shut: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.engine_core = SimpleNamespace(shutdown=self.shut.set)

    def add_request(self, request_id: str, prompt: Any, params: Any) -> None:
        if prompt == "bad":
            raise ValueError("no such prompt")
        self.open.append(request_id)

    def abort_request(self, request_ids: list[str]) -> None:
        self.aborted += request_ids
        self.open = [one for one in self.open if one not in request_ids]

    def step(self) -> list[Output]:
        self.stepping.set()
        assert self.go.acquire(timeout=PATIENCE)
        if self.error is not None:
            raise self.error
        done, self.open = self.open, []
        self.seen.append(done)
        return [Output("nobody asked"), *(Output(request_id) for request_id in done)]

    def let_go(self, steps: int = 100) -> None:
        self.go.release(steps)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def engine(held: Held) -> AsyncIterator[SteppedEngine]:
    started = await SteppedEngine.start(lambda: held)
    yield started
    held.let_go()
    started.shutdown()
    assert held.shut.wait(PATIENCE)


async def ask(engine: SteppedEngine, name: str, prompt: str = "text") -> list[str]:
    return [output.request_id async for output in engine.generate(prompt, None, name)]


async def under_way(held: Held) -> None:
    assert await asyncio.to_thread(held.stepping.wait, PATIENCE)


async def test_each_gets_its_own_answer_and_the_engine_is_idle_after(
    engine: SteppedEngine, held: Held
) -> None:
    held.let_go()
    answers = await asyncio.gather(*(ask(engine, f"r{number}") for number in range(20)))
    assert answers == [[f"r{number}"] for number in range(20)]
    assert engine.get_num_unfinished_requests() == 0
    assert engine.model_config == "facts"


async def test_what_arrives_during_a_step_goes_together_into_the_next(
    engine: SteppedEngine, held: Held
) -> None:
    first = asyncio.create_task(ask(engine, "first"))
    await under_way(held)
    others = [asyncio.create_task(ask(engine, name)) for name in ("a", "b", "c")]
    await asyncio.sleep(0)
    assert engine.get_num_unfinished_requests() == 4
    held.let_go(2)
    await asyncio.gather(first, *others)
    assert held.seen == [["first"], ["a", "b", "c"]]


async def test_a_bad_request_fails_alone(engine: SteppedEngine, held: Held) -> None:
    held.let_go()
    bad, good = await asyncio.gather(ask(engine, "bad", "bad"), ask(engine, "good"), return_exceptions=True)
    assert isinstance(bad, ValueError)
    assert good == ["good"]
    await engine.check_health()


async def test_who_leaves_takes_his_request_along(engine: SteppedEngine, held: Held) -> None:
    leaving = asyncio.create_task(ask(engine, "leaving"))
    await under_way(held)
    queued = asyncio.create_task(ask(engine, "queued"))
    staying = asyncio.create_task(ask(engine, "staying"))
    await asyncio.sleep(0)
    for task in (leaving, queued):
        task.cancel()
    await asyncio.gather(leaving, queued, return_exceptions=True)
    held.let_go(2)
    assert await staying == ["staying"]
    assert "queued" not in [name for step in held.seen for name in step]
    assert engine.get_num_unfinished_requests() == 0


async def test_a_failed_step_fails_everything_and_the_health_check(engine: SteppedEngine, held: Held) -> None:
    first = asyncio.create_task(ask(engine, "first"))
    await under_way(held)
    second = asyncio.create_task(ask(engine, "second"))
    await asyncio.sleep(0)
    held.error = RuntimeError("the weights are gone")
    held.let_go(1)
    for error in await asyncio.gather(first, second, return_exceptions=True):
        assert isinstance(error, EngineDeadError)
        assert "RuntimeError" in str(error)
        assert "weights" not in str(error)
    with pytest.raises(EngineDeadError):
        await engine.check_health()
    with pytest.raises(EngineDeadError):
        await ask(engine, "third")


async def test_a_stopped_engine_answers_nobody(held: Held) -> None:
    engine = await SteppedEngine.start(lambda: held)
    asked = asyncio.create_task(ask(engine, "open"))
    await under_way(held)
    held.let_go(1)
    await asked
    engine.shutdown()
    assert held.shut.wait(PATIENCE)
    with pytest.raises(EngineDeadError, match="stopped"):
        await ask(engine, "late")


async def test_an_engine_that_does_not_start_says_why() -> None:
    def build() -> Any:
        raise MemoryError("no room for the weights")

    with pytest.raises(MemoryError, match="no room"):
        await SteppedEngine.start(build)
