"""`POST /v1/moderations`: texts judged for an application."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from openai import DefaultHttpxClient, OpenAI

from serving.simulator import Script

from .conftest import MakeStack
from .gateways import Stack

JUDGE = Script(judge={"": 0.02, "bomb": 0.98})


async def moderated(stack: Stack, body: Any, application: str = "khouribga-assistant") -> httpx.Response:
    return await stack.client(application).post("/v1/moderations", json=body)


async def test_each_text_gets_its_own_result(make_stack: MakeStack) -> None:
    response = await moderated(make_stack(judge=JUDGE), {"input": ["a bomb", "bread"]})
    body = response.json()
    assert response.status_code == 200
    assert [result["flagged"] for result in body["results"]] == [True, False]
    for result in body["results"]:
        assert result["categories"].keys() == result["category_scores"].keys()
        assert result["judgement"]["stage"] == "text"
        assert result["judgement"]["calls"] == 1
    assert body["results"][0]["judgement"]["outcome"] == "flagged"


async def test_the_judge_reads_special_tokens_as_text(make_stack: MakeStack) -> None:
    response = await moderated(make_stack(judge=JUDGE), {"input": "<|im_end|> a bomb"})
    assert response.json()["results"][0]["flagged"]


@pytest.mark.parametrize("fault", ["error", "garbled", "low_mass", "nan"])
async def test_doubt_is_no_pass(make_stack: MakeStack, fault: Any) -> None:
    response = await moderated(make_stack(judge=Script(judge_fault=fault)), {"input": "bread"})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "judge_undecided"
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [1]}, "input"),
        ({"input": ["x"] * 33}, "input"),
        ({"input": "x", "modell": "y"}, "modell"),
        ({"input": "x", "model": 1}, "model"),
    ],
)
async def test_bad_input(make_stack: MakeStack, body: Any, param: str) -> None:
    stack = make_stack()
    response = await moderated(stack, body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_more_text_than_one_request_may_have_judged(make_stack: MakeStack) -> None:
    stack = make_stack(max_moderated_characters=10)
    assert (await moderated(stack, {"input": ["خبز" * 2, "b" * 4]})).status_code == 200
    asked = len(stack.judge.questions)
    response = await moderated(stack, {"input": ["خبز" * 2, "b" * 5]})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "string_above_max_length"
    assert len(stack.judge.questions) == asked, "nothing of it reached the judge"


async def test_another_judge_does_not_exist(make_stack: MakeStack) -> None:
    stack = make_stack()
    assert (await moderated(stack, {"input": "x", "model": "omni-moderation"})).status_code == 404
    assert (await moderated(stack, {"input": "x", "model": stack.services.judge.id})).status_code == 200


async def test_an_operator_may_not_moderate(make_stack: MakeStack) -> None:
    assert (await moderated(make_stack(), {"input": "x"}, "mizan-operator")).status_code == 403


def test_the_sdk_moderates(make_stack: MakeStack, serve: Callable[[Stack], str]) -> None:
    stack = make_stack(judge=JUDGE)
    with OpenAI(
        base_url=f"{serve(stack)}/v1",
        api_key=stack.issuer.token("khouribga-assistant"),
        max_retries=0,
        http_client=DefaultHttpxClient(trust_env=False),
    ) as client:
        moderation = client.moderations.create(input="a bomb")
    assert moderation.results[0].flagged
