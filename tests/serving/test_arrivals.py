"""Bodies that drip: one tenant holds its share of a gateway's places, and no more."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

import serving.admission
from serving.arrivals import Arrivals
from serving.errors import RequestError
from serving.settings import GatewaySettings
from serving.simulator import Script

from .conftest import MakeStack
from .gateways import CHAT, Stack, ask

JSON = {"content-type": "application/json"}


class Drip:
    """A body that begins, and goes on when it may."""

    def __init__(self, body: Any) -> None:
        self._content = json.dumps(body).encode()
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content[:1]
        self.begun.set()
        await self.may_end.wait()
        yield self._content[1:]


@asynccontextmanager
async def dripping(
    stack: Stack, number: int, path: str = CHAT, application: str = "khouribga-assistant", body: Any = None
) -> AsyncIterator[tuple[list[Drip], list[asyncio.Task[httpx.Response]]]]:
    """That many requests, with the gateway reading their bodies."""
    drips = [Drip(body or ask()) for _ in range(number)]
    client = stack.client(application)
    calls = [asyncio.create_task(client.post(path, content=drip, headers=JSON)) for drip in drips]
    async with asyncio.timeout(30):
        await asyncio.gather(*(drip.begun.wait() for drip in drips))
    try:
        yield drips, calls
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


def assert_refused(response: httpx.Response) -> None:
    assert response.status_code == 429, response.text
    assert response.headers["retry-after"] == "1"
    assert response.headers["x-mizan-limit"] == "arriving_bodies"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/moderations"])
async def test_bodies_that_drip_have_a_bound(
    make_stack: MakeStack, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all applications and routes of a tenant, with other tenants untouched."""
    monkeypatch.setattr(serving.admission, "GRACE", 0.05)
    stack = make_stack(max_arriving_bodies=3)
    async with dripping(stack, 3, path) as (drips, calls):
        await asyncio.sleep(0.2)  # longer than the grace: they are counted now
        client = stack.client("khouribga-agent")
        assert_refused(await client.post(CHAT, content=Drip(ask()), headers=JSON))
        assert (await stack.chat(application="jorf-assistant")).status_code == 200
        assert (await client.get("/v1/models")).status_code == 200
        drips[0].may_end.set()
        await calls[0]
        assert (await stack.chat()).status_code == 200
    assert (await stack.chat()).status_code == 200


async def test_many_that_arrive_soon_are_no_drip(make_stack: MakeStack) -> None:
    stack = make_stack(max_arriving_bodies=1)
    responses = await asyncio.gather(*(stack.chat() for _ in range(20)))
    assert {response.status_code for response in responses} == {200}


async def test_bodies_that_end_are_answered(make_stack: MakeStack) -> None:
    stack = make_stack(max_arriving_bodies=2)
    async with dripping(stack, 2) as (drips, calls):
        for drip in drips:
            drip.may_end.set()
        assert [(await call).status_code for call in calls] == [200, 200]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x" * 3000, "application/json", 413),
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
    ],
)
async def test_refused_bodies_leave_their_place(
    make_stack: MakeStack, content: bytes, kind: str, status: int
) -> None:
    stack = make_stack(max_arriving_bodies=1, max_body_bytes=2000)

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    for _ in range(3):
        response = await stack.client().post(CHAT, content=chunks(), headers={"content-type": kind})
        assert response.status_code == status
    assert (await stack.chat()).status_code == 200


async def test_a_body_that_takes_too_long_leaves_its_place(make_stack: MakeStack) -> None:
    stack = make_stack(max_arriving_bodies=1, body_timeout=0.2)
    async with dripping(stack, 1) as (_, calls):
        assert (await calls[0]).status_code == 408
        assert (await stack.chat()).status_code == 200


async def test_a_generation_under_way_is_no_body(make_stack: MakeStack) -> None:
    script = Script(answers={"": "mot " * 20}, token_delay=0.02)
    stack = make_stack(max_arriving_bodies=1, script=script)
    first = asyncio.create_task(stack.chat())
    async with asyncio.timeout(30):
        while not stack.engine.unfinished():  # noqa: ASYNC110  nothing to wait on
            await asyncio.sleep(0.01)
    assert (await stack.chat()).status_code == 200
    assert (await first).status_code == 200


def test_places_are_given_back() -> None:
    arrivals = Arrivals(1)
    with pytest.raises(ValueError, match="gone"), arrivals.reading("khouribga"):
        with pytest.raises(RequestError), arrivals.reading("khouribga"):
            pass
        with arrivals.reading("jorf"):
            pass
        raise ValueError("gone")
    with arrivals.reading("khouribga"):
        pass


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({}, 64),
        ({"max_ongoing_requests": 8}, 4),
        ({"max_ongoing_requests": 1000}, 250),
        ({"max_arriving_bodies": 1}, 1),
    ],
)
def test_the_bound(settings: dict[str, Any], most: int) -> None:
    assert GatewaySettings(**settings).arriving_bodies == most
