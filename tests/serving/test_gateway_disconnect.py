"""A client that goes away: generation and judging stop within a second, whatever they were at."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from serving.answers import Envelope
from serving.simulator import Script
from serving.streaming import JudgedStream

from .conftest import MakeStack
from .gateways import CHAT, SCORES, Stack, ask

ENDLESS = "mot " * 2000


async def started(stack: Stack, seconds: float = 20) -> None:
    """Wait until the engine is at work."""
    async with asyncio.timeout(seconds):
        while not stack.engine.unfinished():  # noqa: ASYNC110  nothing to wait on
            await asyncio.sleep(0.01)


async def test_in_mid_stream(make_stack: MakeStack, serve: Callable[[Stack], str]) -> None:
    stack = make_stack(script=Script(answers={"": ENDLESS}, token_delay=0.01))
    headers = {"authorization": f"Bearer {stack.issuer.token()}"}
    url = serve(stack) + CHAT
    async with (
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
        client.stream("POST", url, json=ask(stream=True, max_tokens=2000), headers=headers) as response,
    ):
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if '"content":"mot' in line:
                break
        assert stack.engine.unfinished() == 1
    assert await stack.settled()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant"])
async def test_before_anything_was_released(
    make_stack: MakeStack, serve: Callable[[Stack], str], stream: bool, application: str
) -> None:
    """Nothing was sent that could fail: the gateway must listen for the disconnect."""
    script = Script(answers={"": ENDLESS}, token_delay=0.01)
    stack = make_stack(script=script, judge=Script(judge=SCORES, judge_delay=30))
    headers = {"authorization": f"Bearer {stack.issuer.token(application)}"}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        request = client.post(serve(stack) + CHAT, json=ask(stream=stream), headers=headers)
        call = asyncio.create_task(request)
        await started(stack)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert await stack.settled()


async def test_with_a_reset(make_stack: MakeStack, serve: Callable[[Stack], str]) -> None:
    stack = make_stack(script=Script(answers={"": ENDLESS}, token_delay=0.01))
    address = urlsplit(serve(stack))
    body = httpx.Request("POST", "http://x", json=ask(stream=True)).content
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {stack.issuer.token()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(head.encode() + body)
        await started(stack)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert await stack.settled()


async def test_while_the_body_arrives(make_stack: MakeStack, serve: Callable[[Stack], str]) -> None:
    stack = make_stack()
    url = serve(stack)
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {stack.issuer.token()}\r\nContent-Length: 100\r\n\r\n{{".encode()
        )
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        assert (await client.get(f"{url}/health/live")).status_code == 200
    assert stack.engine.untouched


async def test_many_at_once(make_stack: MakeStack, serve: Callable[[Stack], str]) -> None:
    stack = make_stack(script=Script(answers={"": ENDLESS}, token_delay=0.05))
    headers = {"authorization": f"Bearer {stack.issuer.token()}"}
    url = serve(stack) + CHAT
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        calls = [
            asyncio.create_task(client.post(url, json=ask(stream=bool(i % 2), n=1 + i % 3), headers=headers))
            for i in range(12)
        ]
        await started(stack)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert await stack.settled()
        assert (await client.get(url.replace(CHAT, "/health/live"))).status_code == 200


async def test_a_stream_that_is_never_read_still_ends_its_generation() -> None:
    """The client is gone before the first chunk is asked for."""
    closed: list[str] = []

    async def events() -> Any:
        try:
            yield "first"
            yield "second"
        finally:
            closed.append("closed")

    source = events()
    first = await anext(source)

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await asyncio.sleep(30)

    envelope = Envelope("request", "model")
    response = JudgedStream(first, source, envelope, {})
    await response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    assert closed == ["closed"]
