"""The legacy route: the same judging, headers and refusals as a chat."""

import json
from typing import Any

import openai
import pytest

from serving.simulator import Script

from .conftest import MakeStack
from .gateways import MODEL, Stack
from .outputs.test_logprobs import Hasty

ROUTE = "/v1/completions"
LONG = " ".join(f"mot{number}" for number in range(40))
POISONED = f"{LONG} zarzour {LONG}"


def legacy(prompt: Any = "Il était une fois", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": prompt, **fields}


async def post(stack: Stack, body: dict[str, Any], application: str = "khouribga-assistant") -> Any:
    return await stack.client(application).post(ROUTE, json=body)


def chunks_of(text: str) -> list[dict[str, Any]]:
    *lines, done = [line for line in text.split("\n\n") if line]
    assert done == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


@pytest.mark.parametrize("prompt", ["Il était une fois", ["Il était une fois"]])
async def test_a_whole_text(make_stack: MakeStack, prompt: Any) -> None:
    stack = make_stack(script=Script(answers={"": LONG}))
    response = await post(stack, legacy(prompt, n=2, max_tokens=5, temperature=0))
    assert response.headers["x-mizan-outcome"] == "passed"
    body = response.json()
    assert body["object"] == "text_completion"
    assert body["id"].startswith("cmpl-")
    assert [choice["text"].split() for choice in body["choices"]] == [LONG.split()[:5]] * 2
    assert {choice["finish_reason"] for choice in body["choices"]} == {"length"}
    assert body["usage"]["completion_tokens"] == 10
    assert body["judgement"]["outcome"] == "passed"
    [generation] = stack.engine.generations
    assert generation.body == {"prompt": "Il était une fois", "max_tokens": 5, "temperature": 0}
    assert generation.cache_salt == "khouribga"
    read = "".join(segment.text for segment in stack.judge.questions[0].segments)
    assert "Il était une fois" in read


@pytest.mark.parametrize("usage", [False, True])
async def test_a_stream(make_stack: MakeStack, usage: bool) -> None:
    stack = make_stack(script=Script(answers={"": LONG}))
    options = {"stream_options": {"include_usage": True}} if usage else {}
    response = await post(stack, legacy(stream=True, **options))
    chunks = chunks_of(response.text)
    assert "".join(c["text"] for chunk in chunks for c in chunk["choices"]) == LONG
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert chunks[-1]["judgement"]["outcome"] == "passed"
    assert all("judgement" not in chunk for chunk in chunks[:-1])
    assert ("usage" in chunks[-1]) is usage


@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prompt", ["zarzour", "Bonjour"])
async def test_violations(make_stack: MakeStack, application: str, stream: bool, prompt: str) -> None:
    stack = make_stack(script=Script(answers={"": POISONED}, token_delay=0.001))
    response = await post(stack, legacy(prompt, stream=stream), application)
    body = chunks_of(response.text)[-1] if stream else response.json()
    [choice] = body["choices"]
    assert choice["finish_reason"] == "content_filter"
    assert choice["refusal"].startswith("This answer was withheld")
    assert body["judgement"]["outcome"] == "flagged"
    assert "zarzour" not in response.text
    if not stream:
        assert choice["text"] == choice["refusal"]
        assert "mot1" not in response.text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_judge_at_fault_blocks(make_stack: MakeStack, stream: bool) -> None:
    stack = make_stack(judge=Script(judge_fault="error"))
    response = await post(stack, legacy(stream=stream))
    assert "quick brown" not in response.text
    assert "content_filter" in response.text


@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities(make_stack: MakeStack, stream: bool) -> None:
    stack = make_stack(engine=Hasty(Script(answers={"": LONG})))
    response = await post(stack, legacy(stream=stream, logprobs=0))
    parts = chunks_of(response.text) if stream else [response.json()]
    named = [c["logprobs"] for part in parts for c in part["choices"] if c["logprobs"]]
    assert "".join(token for one in named for token in one["tokens"]) == LONG
    assert "other" not in response.text


def test_the_sdk(make_stack: MakeStack, serve: Any) -> None:
    stack = make_stack(script=Script(answers={"": LONG}))
    with openai.OpenAI(
        base_url=f"{serve(stack)}/v1",
        api_key=stack.issuer.token(),
        max_retries=0,
        timeout=60,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    ) as client:
        answer = client.completions.create(model=MODEL, prompt="a")
        assert answer.choices[0].text == LONG
        assert (answer.model_extra or {})["judgement"]["outcome"] == "passed"
        with client.completions.create(model=MODEL, prompt="a", stream=True) as stream:
            assert "".join(chunk.choices[0].text for chunk in stream) == LONG


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": MODEL}, "prompt", "missing_required_parameter"),
        (legacy(""), "prompt", "invalid_value"),
        (legacy([]), "prompt", "invalid_value"),
        (legacy(["a", "b"]), "prompt", "invalid_value"),
        (legacy([1, 2]), "prompt", "invalid_value"),
        (legacy([[1]]), "prompt.0", "invalid_value"),
        (legacy(echo=True), "echo", "invalid_value"),
        (legacy(best_of=2), "best_of", "unknown_parameter"),
        (legacy(suffix="x"), "suffix", "unknown_parameter"),
        (legacy(logprobs=1), "logprobs", "unsupported_value"),
        (legacy(logprobs=True), "logprobs", "invalid_value"),
        (legacy(messages=[]), "messages", "unknown_parameter"),
        (legacy(max_tokens=10**9), "max_tokens", "invalid_value"),
        (legacy(n=99), "n", "invalid_value"),
        (legacy(stream_options={"include_usage": True}), None, "invalid_value"),
        (legacy("a <|im_end|> b"), "prompt", "reserved_token"),
        (legacy("a\0"), "prompt", "invalid_text"),
    ],
)
async def test_wrong_values(stack: Stack, body: dict[str, Any], param: str | None, code: str) -> None:
    response = await post(stack, body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["code"] == code
    assert error["param"] == param or code == "invalid_value"
    assert stack.engine.untouched
    assert stack.judge.untouched


async def test_a_token_is_needed(stack: Stack) -> None:
    assert (await stack.client(None).post(ROUTE, json=legacy())).status_code == 401


async def test_a_prompt_far_over_the_context_reaches_neither_model(stack: Stack) -> None:
    error = (await post(stack, legacy("mot " * 200_000))).json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "prompt")
    assert stack.engine.untouched
    assert stack.judge.untouched
