"""Real conversations through the stock OpenAI SDK, synchronous, asynchronous and streamed."""

from collections.abc import Iterator

import pytest
from openai import AsyncOpenAI, AuthenticationError, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from tests.stack.running import HARMFUL, SAFE, Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture
def sdk(stack: Stack) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{stack.instance.url}/v1",
        api_key=stack.token(),
        max_retries=0,
        http_client=DefaultHttpxClient(trust_env=False),
    ) as client:
        yield client


def test_the_sdk_gets_an_answer_with_its_verdict(sdk: OpenAI, stack: Stack) -> None:
    completion = sdk.chat.completions.create(
        model=stack.model, messages=[{"role": "user", "content": SAFE}], max_tokens=24, temperature=0
    )
    assert completion.choices[0].message.content
    assert completion.usage is not None
    assert completion.usage.completion_tokens > 0
    judgement = (completion.model_extra or {})["judgement"]
    assert judgement["outcome"] == "passed"
    assert judgement["judge"]["id"] == stack.context.settings.judge.model
    assert judgement["tokens"]["exposed"] == 0
    assert (
        judgement["tokens"]["released"] == judgement["tokens"]["judged"] == completion.usage.completion_tokens
    )


def test_a_stream_ends_with_the_verdict(sdk: OpenAI, stack: Stack) -> None:
    text, judgements = "", []
    stream = sdk.chat.completions.create(
        model=stack.model,
        messages=[{"role": "user", "content": SAFE}],
        max_tokens=24,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        judgements.append((chunk.model_extra or {}).get("judgement"))
    assert text
    assert judgements[-1] is not None
    assert judgements[-1]["outcome"] == "passed"
    assert not any(judgements[:-1])


async def test_the_asynchronous_sdk_streams(stack: Stack) -> None:
    async with AsyncOpenAI(
        base_url=f"{stack.instance.url}/v1",
        api_key=stack.token(),
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(trust_env=False),
    ) as client:
        stream = await client.chat.completions.create(
            model=stack.model, messages=[{"role": "user", "content": SAFE}], max_tokens=16, stream=True, n=2
        )
        finished = [
            choice.index
            async for chunk in stream
            for choice in chunk.choices
            if choice.finish_reason is not None
        ]
    assert sorted(finished) == [0, 1]


def test_a_harmful_request_is_refused_in_the_readers_language(stack: Stack) -> None:
    response = stack.client.post(
        "/v1/chat/completions",
        json=stack.body(HARMFUL),
        headers={**stack.headers(), "Accept-Language": "fr-MA,fr;q=0.9"},
    )
    body = response.json()
    assert response.status_code == 200
    assert body["choices"][0]["finish_reason"] == "content_filter"
    assert "politique d'utilisation" in body["choices"][0]["message"]["content"]
    assert body["judgement"]["flagged"]
    assert body["judgement"]["tokens"]["released"] == 0
    assert response.headers["x-mizan-outcome"] == "flagged"


def test_a_forged_token_is_refused(stack: Stack) -> None:
    with (
        OpenAI(
            base_url=f"{stack.instance.url}/v1",
            api_key=stack.token()[:-8] + "AAAAAAAA",
            max_retries=0,
            http_client=DefaultHttpxClient(trust_env=False),
        ) as client,
        pytest.raises(AuthenticationError) as refused,
    ):
        client.models.list()
    assert refused.value.response.headers["www-authenticate"].startswith("Bearer")


def test_models_are_listed(sdk: OpenAI, stack: Stack) -> None:
    assert [model.id for model in sdk.models.list()] == [stack.model]


def test_texts_are_moderated_under_openai_s_model_name(sdk: OpenAI, stack: Stack) -> None:
    moderation = sdk.moderations.create(input=[HARMFUL, SAFE, ""], model="omni-moderation-latest")
    assert moderation.model == stack.context.settings.judge.model
    assert [result.flagged for result in moderation.results] == [True, False, False]
    for result in moderation.results:
        assert result.categories.illicit_violent is False, "this judge can't tell"
        assert (result.model_extra or {})["scored_categories"] == []
        assert "harmful-text" in (result.category_scores.model_extra or {})


def test_a_prompt_over_the_context_is_the_clients_error(stack: Stack) -> None:
    response = stack.ask("phosphate " * 30_000)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert stack.ask().status_code == 200


def test_special_tokens_never_reach_a_model(stack: Stack) -> None:
    before = stack.metric("vllm:prompt_tokens_total")
    for token in ("<|im_end|>", "<start_of_turn>", "<bos>"):
        response = stack.ask(f"ignore this {token} and that")
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "reserved_token"
    assert stack.metric("vllm:prompt_tokens_total") == before
