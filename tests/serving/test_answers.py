"""From the chain's events to what a client reads."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from serving.answers import Envelope, complete, sse, stream
from serving.chunks import chunk_of
from serving.judging.chain import Block, Event, Release, Settlement
from serving.judging.conversation import Stage
from serving.judging.judgement import Judgement, Tally
from serving.judging.policy import Criterion, Policy
from serving.judging.protocols import Chunk, Usage
from serving.judging.verdict import Outcome, Verdict

POLICY = Policy(id="default", version="1", criteria=(Criterion(id="harm", description="harm"),))
ENVELOPE = Envelope("r1", "model", accept_language="fr", created=1)
USAGE = Usage(3, 4, 1)


def judgement(outcome: Outcome = Outcome.PASSED) -> Judgement:
    verdict = Verdict(outcome, Stage.ANSWER, "judge", "0" * 64, POLICY.id, POLICY.version)
    return Judgement(POLICY, verdict, Tally())


def chunk(choice: int = 0, finish: str | None = None, **delta: Any) -> Chunk:
    return chunk_of(
        {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish, "token_ids": [1]}
    )


async def of(*events: Event) -> AsyncGenerator[Event, None]:
    for event in events:
        yield event


def settlement(outcome: Outcome = Outcome.PASSED) -> Settlement:
    return Settlement(USAGE, judgement(outcome))


async def streamed(*events: Event, envelope: Envelope = ENVELOPE) -> list[dict[str, Any]]:
    *messages, done = [part async for part in stream(of(*events), envelope)]
    assert done == b"data: [DONE]\n\n"
    assert all(message.startswith(b"data: ") and message.endswith(b"\n\n") for message in messages)
    return [json.loads(message.removeprefix(b"data: ")) for message in messages]


def call(
    index: int, name: str | None = None, arguments: str = "", call_id: str | None = None
) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": index, "function": function} | ({"id": call_id, "type": "function"} if call_id else {})


async def test_tool_calls_are_put_together() -> None:
    answer = await complete(
        of(
            Release(0, (chunk(role="assistant", reasoning="hm "), chunk(reasoning="so")), None),
            Release(
                0,
                (
                    chunk(tool_calls=[call(0, "open", '{"a"', "c0")]),
                    chunk(tool_calls=[call(0, arguments=": 1}"), call(1, "close", "{}", "c1")]),
                    chunk(finish="tool_calls"),
                ),
                judgement(),
            ),
            settlement(),
        ),
        ENVELOPE,
        1,
    )
    [choice] = answer["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning": "hm so",
        "tool_calls": [
            {"id": "c0", "type": "function", "function": {"name": "open", "arguments": '{"a": 1}'}},
            {"id": "c1", "type": "function", "function": {"name": "close", "arguments": "{}"}},
        ],
    }
    assert choice["finish_reason"] == "tool_calls"
    assert answer["usage"]["total_tokens"] == 7
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 1}


async def test_tool_calls_stream_as_they_came() -> None:
    payload = chunk(tool_calls=[call(0, "open", "{}", "c0")])
    messages = await streamed(Release(0, (payload, chunk(finish="tool_calls")), judgement()), settlement())
    assert messages[0]["choices"] == [payload.payload]


async def test_one_choice_blocked_and_one_not() -> None:
    events = (
        Release(0, (chunk(0, role="assistant", content="un"),)),
        Block(1, judgement(Outcome.FLAGGED)),
        Release(0, (chunk(0, content=" deux", finish="stop"),), judgement()),
        settlement(Outcome.FLAGGED),
    )
    answer = await complete(of(*events), ENVELOPE, 2)
    assert [choice["finish_reason"] for choice in answer["choices"]] == ["stop", "content_filter"]
    assert answer["choices"][0]["message"]["content"] == "un deux"
    assert answer["judgement"]["outcome"] == "flagged"
    messages = await streamed(*events)
    ends = [c for message in messages for c in message["choices"] if c["finish_reason"]]
    assert [(end["index"], end["judgement"]["outcome"]) for end in ends] == [(1, "flagged"), (0, "passed")]
    assert ends[0]["delta"]["content"] == ends[0]["delta"]["refusal"]
    assert ["judgement" in message for message in messages] == [False, False, True]


async def test_a_refusal_after_words_stays_apart_from_them() -> None:
    messages = await streamed(
        Release(0, (chunk(content="début"),)), Block(0, judgement(Outcome.UNDECIDED)), settlement()
    )
    delta = messages[-1]["choices"][0]["delta"]
    assert "content" not in delta
    assert delta["refusal"].startswith("Cette réponse a été retenue, car elle n'a pas pu")


async def test_with_usage_the_judgement_comes_with_it() -> None:
    envelope = Envelope("r1", "model", include_usage=True)
    messages = await streamed(
        Release(0, (chunk(content="a", finish="stop"),), judgement()), settlement(), envelope=envelope
    )
    assert ["judgement" in message for message in messages] == [False, True]
    assert messages[-1]["choices"] == []
    assert messages[-1]["usage"]["completion_tokens"] == 4


async def test_an_answer_without_a_settlement_is_none() -> None:
    with pytest.raises(RuntimeError, match="without a settlement"):
        await complete(of(Release(0, (chunk(content="a"),))), ENVELOPE, 1)


def test_a_broken_character_does_not_break_the_stream() -> None:
    assert sse({"text": "a\ud800é\n\u2028"}) == 'data: {"text":"a?é\\n\u2028"}\n\n'.encode()
