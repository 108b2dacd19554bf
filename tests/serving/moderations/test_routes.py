"""`POST /v1/moderations`: texts judged for an application."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from openai import BadRequestError, DefaultHttpxClient, NotFoundError, OpenAI
from openai.types import ModerationMultiModalInputParam

from serving.judging.hazard_rules import HazardRule
from serving.judging.hazards import Hazard
from serving.moderations.categories import CATEGORIES
from serving.moderations.request import OPENAI_MODELS
from serving.simulator import Script
from tests.serving.conftest import MakeStack
from tests.serving.gateways import Stack

JUDGE = Script(judge={"": 0.02, "bomb": 0.98})
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


async def moderated(stack: Stack, body: Any, application: str = "khouribga-assistant") -> httpx.Response:
    return await stack.client(application).post("/v1/moderations", json=body)


async def test_each_text_gets_its_own_result(make_stack: MakeStack) -> None:
    response = await moderated(make_stack(judge=JUDGE), {"input": ["a bomb", "bread"]})
    body = response.json()
    assert response.status_code == 200
    assert [result["flagged"] for result in body["results"]] == [True, False]
    for result in body["results"]:
        assert list(result["categories"]) == list(result["category_scores"]) == [*CATEGORIES, "harm"]
        assert result["category_applied_input_types"] == {name: ["text"] for name in result["categories"]}
        assert result["judgement"]["stage"] == "text"
        assert result["judgement"]["calls"] == 1
    assert body["results"][0]["judgement"]["outcome"] == "flagged"


def part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


async def test_parts_are_one_text(make_stack: MakeStack) -> None:
    stack = make_stack(judge=JUDGE)
    response = await moderated(stack, {"input": [part("خبز"), part("a bomb")]})
    assert [result["flagged"] for result in response.json()["results"]] == [True]
    (question,) = stack.judge.questions
    assert "خبز\na bomb" in [segment.text for segment in question.segments]


@pytest.mark.parametrize("empty", ["", [""], [{"type": "text", "text": ""}]])
async def test_an_empty_text_is_judged_like_any(make_stack: MakeStack, empty: Any) -> None:
    response = await moderated(make_stack(judge=JUDGE), {"input": empty})
    assert [result["flagged"] for result in response.json()["results"]] == [False]


@pytest.mark.parametrize(
    ("family", "own"), [("mizan", "harmful-text"), ("yes_no", "harm")], ids=["mizan", "yes_no"]
)
async def test_harm_of_no_known_kind_is_no_category_of_openai(
    make_stack: MakeStack, family: str, own: str
) -> None:
    response = await moderated(make_stack(judge=JUDGE, family=family), {"input": "a bomb"})
    (result,) = response.json()["results"]
    assert result["flagged"]
    assert result["categories"] == {**dict.fromkeys(CATEGORIES, False), own: True}
    assert result["category_scores"] == {
        **dict.fromkeys(CATEGORIES, 0.0),
        own: pytest.approx(0.98, abs=0.01),
    }
    assert result["scored_categories"] == []


@pytest.mark.parametrize(
    ("family", "hazard", "true", "scored"),
    [
        ("yes_no", Hazard.HATE, ["hate"], ["hate"]),
        ("yes_no", Hazard.PRIVACY, ["privacy"], []),
        (
            "granite_guardian",
            Hazard.CHILD_EXPLOITATION,
            ["child_sexual_exploitation", "sexual", "sexual/minors"],
            ["sexual", "sexual/minors"],
        ),
        ("llama_guard", Hazard.SELF_HARM, ["self-harm", "suicide_and_self_harm"], ["self-harm"]),
        ("shieldgemma", Hazard.VIOLENT_CRIMES, ["violent_crimes"], []),
        ("qwen3guard", Hazard.VIOLENT_CRIMES, ["violence", "violent_crimes"], ["violence"]),
    ],
)
async def test_a_hazard_has_openai_s_names_too(
    make_stack: MakeStack, family: str, hazard: Hazard, true: list[str], scored: list[str]
) -> None:
    policy = {"hazards": {hazard: HazardRule()}, "criteria": ()}
    stack = make_stack(judge=JUDGE, family=family, policy=policy)
    (result,) = (await moderated(stack, {"input": "a bomb"})).json()["results"]
    assert result["flagged"]
    assert sorted(name for name, flagged in result["categories"].items() if flagged) == true
    assert sorted(name for name, score in result["category_scores"].items() if score > 0) == true
    assert result["scored_categories"] == scored


async def test_a_score_below_the_threshold_is_shown_and_not_flagged(make_stack: MakeStack) -> None:
    policy = {"hazards": {Hazard.HATE: HazardRule(), Hazard.HARASSMENT: HazardRule()}, "criteria": ()}
    stack = make_stack(judge=JUDGE, policy=policy)
    (result,) = (await moderated(stack, {"input": "bread"})).json()["results"]
    assert not any(result["categories"].values())
    assert result["category_scores"]["hate"] == pytest.approx(0.02)
    assert result["scored_categories"] == ["harassment", "hate"]


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
        ({"input": None}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": [part("x")] * 257}, "input"),
        ({"input": [part("x"), "y"]}, "input"),
        ({"input": ["x", part("y")]}, "input"),
        ({"input": [{"type": "text"}]}, "input"),
        ({"input": [{**part("x"), "detail": "y"}]}, "input"),
        ({"input": [{"type": "input_audio", "input_audio": {}}]}, "input"),
        ({"input": part("x")}, "input"),
        ({"input": "x", "modell": "y"}, "modell"),
        ({"input": "x", "model": 1}, "model"),
    ],
)
async def test_bad_input(make_stack: MakeStack, body: Any, param: str) -> None:
    stack = make_stack()
    response = await moderated(stack, body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert not stack.judge.questions


@pytest.mark.parametrize(("parts", "place"), [([IMAGE], 0), ([part("bread"), IMAGE, IMAGE], 1)])
async def test_an_image_is_refused_and_not_left_out(make_stack: MakeStack, parts: Any, place: int) -> None:
    stack = make_stack()
    response = await moderated(stack, {"input": parts, "model": "omni-moderation-latest"})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "unsupported_value")
    assert error["param"] == f"input.{place}.type"
    assert "text only" in error["message"]
    assert not stack.judge.questions


async def test_more_text_than_one_request_may_have_judged(make_stack: MakeStack) -> None:
    stack = make_stack(max_moderated_characters=10)
    assert (await moderated(stack, {"input": ["خبز" * 2, "b" * 4]})).status_code == 200
    asked = len(stack.judge.questions)
    response = await moderated(stack, {"input": ["خبز" * 2, "b" * 5]})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "string_above_max_length"
    assert len(stack.judge.questions) == asked, "nothing of it reached the judge"
    parts = {"input": [part("خبز" * 2), part("b" * 4)]}
    assert (await moderated(stack, parts)).status_code == 400, "with the line break between them"


@pytest.mark.parametrize("model", ["omni-moderation", "gpt-4o", "simulated", ""])
async def test_another_judge_does_not_exist(make_stack: MakeStack, model: str) -> None:
    response = await moderated(make_stack(), {"input": "x", "model": model})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("named", [{}, *({"model": model} for model in [None, *sorted(OPENAI_MODELS)])])
async def test_openai_s_names_stand_for_the_judge_that_answers_by_its_own(
    make_stack: MakeStack, named: dict[str, Any]
) -> None:
    stack = make_stack()
    own = await moderated(stack, {"input": "x", "model": stack.services.judge.id})
    response = await moderated(stack, {"input": "x", **named})
    assert response.status_code == own.status_code == 200
    assert response.json()["model"] == own.json()["model"] == "simulated-judge"


@pytest.mark.parametrize("model", sorted(OPENAI_MODELS))
async def test_openai_s_names_open_nothing(make_stack: MakeStack, model: str) -> None:
    response = await moderated(make_stack(), {"input": "x", "model": model}, "khouribga-agent")
    assert response.status_code == 403


async def test_an_operator_may_not_moderate(make_stack: MakeStack) -> None:
    assert (await moderated(make_stack(), {"input": "x"}, "mizan-operator")).status_code == 403


@pytest.fixture(params=[False, True], ids=["as-it-comes", "validating"])
def client(
    make_stack: MakeStack, serve: Callable[[Stack], str], request: pytest.FixtureRequest
) -> Iterator[OpenAI]:
    """The stock SDK and a judge that is asked about hate and self-harm."""
    hazards = {Hazard.HATE: HazardRule(), Hazard.SELF_HARM: HazardRule(threshold=0.99)}
    stack = make_stack(judge=JUDGE, policy={"hazards": hazards, "criteria": ()})
    with OpenAI(
        base_url=f"{serve(stack)}/v1",
        api_key=stack.issuer.token("khouribga-assistant"),
        max_retries=0,
        http_client=DefaultHttpxClient(trust_env=False),
        _strict_response_validation=request.param,
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("given", "flagged"),
    [
        ("a bomb", [True]),
        (["a bomb", "bread"], [True, False]),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "bomb"}], [True]),
    ],
)
def test_the_sdk_moderates(client: OpenAI, given: Any, flagged: list[bool]) -> None:
    moderation = client.moderations.create(input=given, model="omni-moderation-latest")
    assert [result.flagged for result in moderation.results] == flagged
    assert [result.categories.hate for result in moderation.results] == flagged
    for result in moderation.results:
        assert result.categories.violence_graphic is False
        assert result.categories.self_harm is False
        assert 0 < result.category_scores.self_harm < 0.99
        assert result.category_scores.sexual_minors == 0
        assert result.category_applied_input_types.illicit_violent == ["text"]
        assert "suicide_and_self_harm" in (result.category_scores.model_extra or {})
        assert (result.model_extra or {})["scored_categories"] == ["hate", "self-harm"]


def test_the_sdk_is_told_what_is_wrong(client: OpenAI) -> None:
    image: ModerationMultiModalInputParam = {"type": "image_url", "image_url": {"url": "https://example.org"}}
    with pytest.raises(BadRequestError, match="text only") as refused:
        client.moderations.create(input=[image])
    assert refused.value.param == "input.0.type"
    with pytest.raises(NotFoundError):
        client.moderations.create(input="x", model="gpt-4o")
