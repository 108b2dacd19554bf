"""Gateways in one process, and the development issuer behind them."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .gateways import DevelopmentIssuer, Stack, build, listening
from .redis_server import RedisServer, running

MakeStack: TypeAlias = Callable[..., Stack]


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentIssuer:
    return DevelopmentIssuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
async def make_stack(issuer: DevelopmentIssuer) -> AsyncIterator[MakeStack]:
    """Build gateways; their clients are closed afterwards."""
    made: list[Stack] = []

    def make(**changes: object) -> Stack:
        made.append(build(issuer, **changes))  # type: ignore[arg-type]  # passed on as they are
        return made[-1]

    yield make
    for stack in made:
        for client in stack.clients:
            await client.aclose()


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    return make_stack()


@pytest.fixture
def serve() -> Iterator[Callable[[Stack], str]]:
    """Serve stacks over real sockets until the test ends; returns the address."""
    with ExitStack() as running:
        yield lambda stack: running.enter_context(listening(stack.app))


@pytest.fixture(scope="session")
def _recorder() -> InMemorySpanExporter:
    # The provider of a process can be set only once.
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(_recorder: InMemorySpanExporter) -> InMemorySpanExporter:
    """The spans that end during the test."""
    _recorder.clear()
    return _recorder


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis. A test that stops it starts it again."""
    try:
        with running(tmp_path_factory.mktemp("redis")) as server:
            yield server
    except FileNotFoundError as error:
        pytest.skip(str(error))
