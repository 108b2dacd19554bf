"""What `serving.engine` uses of vLLM's unstable API, held against the real engine on real weights."""

import json
from typing import Any

import pytest

from serving.app import _frontend
from tests.serving.engine_programs import default_model, engine_arguments, seen_by


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    prepared = default_model("native")
    arguments = {**engine_arguments(prepared), "max_model_len": 2048}
    frontend = json.dumps(_frontend(prepared.entry))
    return seen_by("tests.serving.engine_contract", json.dumps(arguments), frontend, seconds=560)


pytestmark = [pytest.mark.models, pytest.mark.timeout(600)]


def test_every_choice_is_generated_counted_and_finished(seen: dict[str, Any]) -> None:
    assert seen["choices"] == [0, 1]
    assert len(seen["finish"]) == 2
    assert set(seen["finish"]) <= {"length", "stop"}
    assert 2 <= seen["tokens"] == seen["completion_tokens"] <= 24
    assert seen["prompt_tokens"] > 10
    assert seen["text"].strip()


def test_the_engines_bookkeeping_does_not_travel(seen: dict[str, Any]) -> None:
    assert set(seen["payload"]) <= {"index", "delta", "logprobs", "finish_reason"}


def test_closing_the_generator_aborts_the_request(seen: dict[str, Any]) -> None:
    assert seen["unfinished_after_close"] == 0


def test_a_prompt_over_the_context_is_the_clients_error(seen: dict[str, Any]) -> None:
    assert seen["too_long"] == [400, "context_length_exceeded"]


def test_labels_are_scored_and_long_texts_judged_in_pieces(seen: dict[str, Any]) -> None:
    assert seen["labels"] == [" No", " Yes"]
    assert seen["pieces"][0] == 1
    assert seen["pieces"][1] > 10


def test_a_label_must_be_one_token(seen: dict[str, Any]) -> None:
    assert seen["long_label_refused"]


def test_the_chat_templates_tokens_are_reserved(seen: dict[str, Any]) -> None:
    assert {"<|im_start|>", "<|im_end|>"} <= set(seen["reserved"])


def test_an_engine_that_only_scores_scores_alike(seen: dict[str, Any]) -> None:
    scoring = seen["scoring"]
    for label, logprob in seen["score"].items():
        assert scoring["score"][label] == pytest.approx(logprob, abs=0.05)
        assert scoring["again"][label] == pytest.approx(logprob, abs=0.05)


def test_an_engine_that_only_scores_does_nothing_else_and_ends(seen: dict[str, Any]) -> None:
    assert seen["scoring"]["chat_refused"] == 500
    assert seen["scoring"]["after_stop"] == "EngineDeadError"


@pytest.mark.parametrize("choice", ["required", "named", "single"])
def test_a_forced_call_keeps_to_its_schema(seen: dict[str, Any], choice: str) -> None:
    answer = seen["outputs"][choice]
    assert answer["calls"], answer
    for call in answer["calls"]:
        assert call["function"]["name"] == "weather"
        assert call["id"].startswith("call_")
        if answer["finish"] != "length":
            arguments = json.loads(call["function"]["arguments"])
            assert arguments["city"] in ("Safi", "Jorf")
            assert set(arguments) <= {"city", "days"}
    assert answer["content"] == ""
    assert choice != "single" or len(answer["calls"]) == 1


def test_tools_may_be_offered_declined_and_answered(seen: dict[str, Any]) -> None:
    outputs = seen["outputs"]
    assert "error" not in outputs["auto"]
    assert outputs["none"]["calls"] == []
    assert outputs["none"]["content"]
    assert "error" not in outputs["after"]


def test_an_answer_keeps_to_its_form(seen: dict[str, Any]) -> None:
    schema, anything = seen["outputs"]["schema"], seen["outputs"]["object"]
    assert "error" not in schema
    if schema["finish"] == "stop":
        assert json.loads(schema["content"])["city"] in ("Safi", "Jorf")
    assert anything["content"].lstrip().startswith("{")


def test_only_said_tokens_are_named(seen: dict[str, Any]) -> None:
    for answer in (seen["outputs"]["logprobs"], seen["outputs"]["text_logprobs"]):
        assert answer["named"]
        assert answer["named"] == answer["content"]


def test_a_text_is_continued(seen: dict[str, Any]) -> None:
    answer = seen["outputs"]["text"]
    assert answer["content"].strip()
    assert (answer["tokens"], answer["finish"]) == (8, "length")
