"""The stock OpenAI SDK, unchanged, over a real socket: sync and async, streamed and whole."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from serving.chunks import chunk_of
from serving.judging.protocols import Delta, Generation
from serving.simulator import Script

from .conftest import MakeStack
from .gateways import MODEL, Model, Stack

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Bonjour"}]
LONG = " ".join(f"mot{number}" for number in range(40))


class WithLogprobs(Model):
    """Adds the log-probability of every token, as the real engine does when asked."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        async with aclosing(super().generate(generation)) as deltas:
            async for delta in deltas:
                chunks = []
                for chunk in delta.chunks:
                    text = chunk.payload["delta"].get("content")
                    entry = {"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}
                    logprobs = {"content": [entry]} if text else None
                    payload = {**chunk.payload, "logprobs": logprobs, "token_ids": [0] * chunk.tokens}
                    chunks.append(chunk_of(payload))
                yield Delta(tuple(chunks), delta.usage)


@pytest.fixture
def clients(
    make_stack: MakeStack, serve: Callable[[Stack], str]
) -> Iterator[Callable[..., tuple[openai.OpenAI, openai.AsyncOpenAI]]]:
    """Serve a stack; a sync and an async client of it."""
    made: list[openai.OpenAI] = []

    def make(
        application: str = "khouribga-assistant", language: str = "fr", **changes: Any
    ) -> tuple[openai.OpenAI, openai.AsyncOpenAI]:
        stack = make_stack(**changes)
        common: dict[str, Any] = {
            "base_url": f"{serve(stack)}/v1",
            "api_key": stack.issuer.token(application),
            "default_headers": {"Accept-Language": language},
            "max_retries": 0,
            "timeout": 60,
        }
        client = openai.OpenAI(http_client=openai.DefaultHttpxClient(trust_env=False), **common)
        made.append(client)
        return client, openai.AsyncOpenAI(
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False), **common
        )

    yield make
    for client in made:
        client.close()


Clients = Callable[..., tuple[openai.OpenAI, openai.AsyncOpenAI]]


def test_sync(clients: Clients) -> None:
    client, _ = clients()
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=50, temperature=0)
    assert answer.choices[0].message.content == "The quick brown fox jumps over the lazy dog."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 9
    assert answer.model_extra is not None
    assert answer.model_extra["judgement"]["outcome"] == "passed"
    assert answer.choices[0].model_extra is not None
    assert answer.choices[0].model_extra["judgement"]["judge"]["id"] == "simulated-judge"


def test_sync_headers(clients: Clients) -> None:
    client, _ = clients()
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION)
    assert raw.headers["x-mizan-outcome"] == "passed"
    assert raw.parse().choices[0].message.content


@pytest.mark.parametrize("usage", [False, True])
def test_sync_stream(clients: Clients, usage: bool) -> None:
    client, _ = clients(script=Script(answers={"": LONG}, token_delay=0.001))
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if usage else {}
    with client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True, **options) as stream:
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == LONG
    *before, last = chunks
    assert last.model_extra is not None
    assert last.model_extra["judgement"]["outcome"] == "passed"
    assert all("judgement" not in (chunk.model_extra or {}) for chunk in before)
    if usage:
        assert last.choices == []
        assert last.usage is not None
        assert last.usage.completion_tokens == 40
    else:
        assert last.choices[0].finish_reason == "stop"


async def test_async(clients: Clients) -> None:
    _, client = clients()
    async with client:
        answer = await client.chat.completions.create(model=MODEL, messages=QUESTION, n=2)
        assert [choice.index for choice in answer.choices] == [0, 1]
        assert answer.model_extra is not None
        assert answer.model_extra["judgement"]["tokens"]["released"] == 18


async def test_async_stream_of_several_choices(clients: Clients) -> None:
    _, client = clients(script=Script(answers={"": LONG}))
    async with client:
        stream = await client.chat.completions.create(model=MODEL, messages=QUESTION, n=2, stream=True)
        texts = {0: "", 1: ""}
        async for chunk in stream:
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
            last = chunk
    assert texts == {0: LONG, 1: LONG}
    assert last.model_extra is not None
    assert last.model_extra["judgement"]["outcome"] == "passed"


async def test_the_streaming_helper(clients: Clients) -> None:
    """The SDK's own accumulator, which is strict about the order of chunks."""
    _, client = clients(script=Script(answers={"": LONG}))
    async with client, client.chat.completions.stream(model=MODEL, messages=QUESTION) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == LONG
    assert final.choices[0].finish_reason == "stop"


def test_a_blocked_answer(clients: Clients) -> None:
    client, _ = clients(script=Script(answers={"": f"{LONG} zarzour {LONG}"}, token_delay=0.002))
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION)
    assert answer.choices[0].finish_reason == "content_filter"
    assert answer.choices[0].message.refusal == answer.choices[0].message.content
    assert (answer.choices[0].message.content or "").startswith("Cette réponse a été retenue")
    with client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True) as stream:
        chunks = list(stream)
    released = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert LONG.startswith(released.strip())
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert (chunks[-1].choices[0].delta.refusal or "").startswith("Cette réponse a été retenue")
    assert chunks[-1].model_extra is not None
    assert chunks[-1].model_extra["judgement"]["flagged"] is True


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_survive_judging(clients: Clients, stream: bool) -> None:
    client, _ = clients(engine=WithLogprobs(Script()))
    tokens: list[str] = []
    if stream:
        with client.chat.completions.create(
            model=MODEL, messages=QUESTION, logprobs=True, stream=True
        ) as chunks:
            for chunk in chunks:
                logprobs = chunk.choices[0].logprobs
                tokens += [entry.token for entry in (logprobs and logprobs.content) or []]
    else:
        answer = client.chat.completions.create(model=MODEL, messages=QUESTION, logprobs=True)
        whole = answer.choices[0].logprobs
        tokens += [entry.token for entry in (whole and whole.content) or []]
    assert "".join(tokens) == "The quick brown fox jumps over the lazy dog."


def test_errors_become_the_sdks_own(clients: Clients) -> None:
    client, _ = clients()
    chat = client.chat.completions
    with pytest.raises(openai.BadRequestError) as bad:
        chat.create(model=MODEL, messages=QUESTION, extra_body={"unheard_of": 1})
    assert (bad.value.param, bad.value.code) == ("unheard_of", "unknown_parameter")
    with pytest.raises(openai.NotFoundError):
        chat.create(model="gpt-4o", messages=QUESTION)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-nothing").chat.completions.create(model=MODEL, messages=QUESTION)
    failing, _ = clients(script=Script(fail_after=0))
    with pytest.raises(openai.InternalServerError):
        failing.chat.completions.create(model=MODEL, messages=QUESTION)


def test_an_error_in_mid_stream(clients: Clients) -> None:
    client, _ = clients(script=Script(answers={"": LONG}, fail_after=30, token_delay=0.002))
    said = ""
    with (
        pytest.raises(openai.APIError, match="failed to answer"),
        client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True) as stream,
    ):
        for chunk in stream:
            said += chunk.choices[0].delta.content or ""
    assert said
    assert LONG.startswith(said)


def test_models(clients: Clients) -> None:
    client, _ = clients()
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "mizan"
