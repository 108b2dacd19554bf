import asyncio
from collections import Counter

import pytest

from benchmarks.arms.arm import Arm
from benchmarks.load.answer import Answer, MalformedAnswerError, StreamedError
from benchmarks.load.arrivals import Ticket
from benchmarks.load.chat_client import ChatClient
from benchmarks.load.outcomes import Outcome, of_finish, of_status
from benchmarks.load.records import RequestRecord
from benchmarks.load.request import ChatRequest
from benchmarks.simulated_server import Behaviour, bind_loopback
from tests.benchmarks.conftest import Simulate


def request(*, streamed: bool = True, usage: bool = True, max_tokens: int = 8) -> ChatRequest:
    body: dict[str, object] = {
        "model": "simulated",
        "messages": [{"role": "user", "content": "?"}],
        "max_tokens": max_tokens,
        "stream": streamed,
    }
    if streamed and usage:
        body["stream_options"] = {"include_usage": True}
    return ChatRequest(body, "p", "en", streamed)


async def ask(arm: Arm, count: int = 1, timeout_s: float = 20, **shape: bool) -> list[RequestRecord]:
    async with ChatClient(arm, timeout_s) as client:
        return [await client.ask(request(**shape), Ticket(at)) for at in range(count)]


async def test_a_stream_is_timed_and_counted(simulate: Simulate) -> None:
    (record,) = await ask(await simulate(Behaviour(first_token_ms=20, token_ms=5)))
    assert (record.outcome, record.status, record.finish_reason) == (Outcome.PASSED, 200, "stop")
    assert (record.usage_tokens, len(record.content_ns)) == (8, 8)
    assert record.first_byte_ns is not None
    assert record.started_ns <= record.first_byte_ns <= record.content_ns[0]
    assert list(record.content_ns) == sorted(record.content_ns)
    assert record.content_ns[-1] <= record.ended_ns
    # The delays that were set are a floor, whatever the machine does meanwhile.
    assert record.content_ns[0] - record.started_ns >= 20_000_000
    assert record.content_ns[-1] - record.started_ns >= 55_000_000


async def test_without_usage_chunks_are_counted(simulate: Simulate) -> None:
    (record,) = await ask(await simulate(Behaviour(tokens_per_release=3)), usage=False)
    assert (record.usage_tokens, record.output_tokens, record.token_source) == (None, 8, "chunks")


async def test_judgement_of_streams_and_bodies(simulate: Simulate) -> None:
    arm = await simulate(Behaviour(judged=True, tokens_per_release=4))
    for record in [*await ask(arm), *await ask(arm, streamed=False)]:
        assert record.outcome is Outcome.PASSED
        assert record.judgement is not None
        assert (record.judgement.calls, record.judgement.tokens_released) == (2, 8)


async def test_blocked_answers(simulate: Simulate) -> None:
    arm = await simulate(Behaviour(block_every=1, judged=True))
    streamed, whole = [*await ask(arm), *await ask(arm, streamed=False)]
    assert streamed.outcome is whole.outcome is Outcome.BLOCKED
    assert streamed.judgement is not None
    assert streamed.judgement.tokens_wasted == 4


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (Behaviour(limit_every=1), Outcome.RATE_LIMITED),
        (Behaviour(refuse_every=1), Outcome.REFUSED),
        (Behaviour(error_every=1), Outcome.ERROR),
        (Behaviour(drop_every=1), Outcome.DROPPED),
    ],
)
async def test_failures_are_told_apart(simulate: Simulate, behaviour: Behaviour, outcome: Outcome) -> None:
    records = await ask(await simulate(behaviour), count=2)
    assert Counter(record.outcome for record in records) == {outcome: 2}
    assert all(record.detail for record in records)


async def test_the_connection_outlives_refusals_and_drops(simulate: Simulate) -> None:
    records = await ask(await simulate(Behaviour(refuse_every=2, drop_every=3)), count=6)
    passed, refused, dropped = Outcome.PASSED, Outcome.REFUSED, Outcome.DROPPED
    assert [record.outcome for record in records] == [passed, refused, dropped, refused, passed, refused]


async def test_a_timeout_is_an_error(simulate: Simulate) -> None:
    (record,) = await ask(await simulate(Behaviour(first_token_ms=30_000)), timeout_s=0.2)
    assert record.outcome is Outcome.ERROR
    assert "timeout" in record.detail


async def test_nobody_listening_is_an_error() -> None:
    free = bind_loopback()
    port = free.getsockname()[1]
    free.close()
    (record,) = await ask(Arm("a", f"http://127.0.0.1:{port}/v1", "m"))
    assert record.outcome is Outcome.ERROR
    assert record.status is None


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}\n\n', Outcome.DROPPED),
        (b'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: [DONE]\n\n', Outcome.DROPPED),
        (b"", Outcome.DROPPED),
        (b'data: {"error": {"message": "engine died"}}\n\n', Outcome.ERROR),
        (b"data: {\n\n", Outcome.ERROR),
        (b"data: [1]\n\n", Outcome.ERROR),
        (b'data: {"choices": 3}\n\n', Outcome.ERROR),
    ],
)
async def test_streams_that_end_oddly(body: bytes, outcome: Outcome) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (record,) = await ask(Arm("a", f"http://127.0.0.1:{port}/v1", "m"))
    assert record.outcome is outcome
    assert record.detail


def test_outcome_by_status_and_finish() -> None:
    assert of_status(200) is None
    assert [of_status(status) for status in (429, 400, 401, 404)] == [
        Outcome.RATE_LIMITED,
        *[Outcome.REFUSED] * 3,
    ]
    assert [of_status(status) for status in (500, 503, 204, 302)] == [Outcome.ERROR] * 4
    assert of_finish(()) is Outcome.DROPPED
    assert of_finish(("stop", "content_filter")) is Outcome.BLOCKED
    assert of_finish(("length",)) is Outcome.PASSED


def test_empty_content_is_no_content() -> None:
    answer = Answer()
    assert not answer.take_chunk('{"choices": [{"delta": {"role": "assistant", "content": ""}}]}')
    assert not answer.take_chunk('{"choices": []}')
    assert answer.take_chunk('{"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}')
    with pytest.raises(MalformedAnswerError):
        answer.take_chunk("{}")
    with pytest.raises(StreamedError):
        answer.take_chunk('{"error": {"message": "x"}}')
