"""The request schema: what it lets through, and what the engine gets of it."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from serving.conversations import conversation_of
from serving.errors import RequestError
from serving.openai_api import ChatRequest, parse_chat_request

USER = {"role": "user", "content": "Bonjour"}


def parse(**fields: Any) -> ChatRequest:
    return parse_chat_request(json.dumps({"model": "m", "messages": [USER], **fields}).encode())


def refusal(body: dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as refused:
        parse_chat_request(json.dumps(body).encode())
    return refused.value


def test_defaults() -> None:
    request = parse()
    assert (request.n, request.stream, request.output_tokens) == (1, False, None)
    assert request.engine_body(64) == {"messages": [USER], "max_completion_tokens": 64}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_either_name_of_the_limit(name: str) -> None:
    assert parse(**{name: 7}).output_tokens == 7


def test_the_gateways_own_fields_do_not_reach_the_engine() -> None:
    request = parse(stream=True, stream_options={"include_usage": True}, n=2, user="u", max_tokens=3)
    assert request.engine_body(3) == {"messages": [USER], "max_completion_tokens": 3}


def test_parts_reach_the_engine_as_the_one_text_that_the_judge_reads() -> None:
    """Some templates set parts side by side: the model would read `bomb`, the judge `bo mb`."""
    parts = [{"type": "text", "text": text} for text in ("a bo", "mb")]
    request = parse(messages=[USER | {"content": parts}])
    [sent] = request.engine_body(1)["messages"]
    [read] = conversation_of(request.messages)
    assert sent == USER | {"content": "a bo\nmb"}
    assert read.text == sent["content"]


def test_only_what_was_given_reaches_the_engine() -> None:
    assert parse(temperature=0, stop="x").engine_body(1) == {
        "messages": [USER], "temperature": 0, "stop": "x", "max_completion_tokens": 1,
    }  # fmt: skip


@pytest.mark.parametrize("stop", ["x", ["x"], ["a", "b", "c", "d"], [], None])
def test_stop_is_one_text_or_some(stop: Any) -> None:
    assert parse(stop=stop).stop == stop


def test_requests_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse().n = 5  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("name", ["system", "user ", "str", "(text)x", "messages.0", "list[TextPart]"])
def test_unknown_fields_are_named_whatever_they_are_called(name: str) -> None:
    error = refusal({"model": "m", "messages": [USER], name: 1})
    assert (error.code, error.param) == ("unknown_parameter", name)
    error = refusal({"model": "m", "messages": [USER | {name: 1}]})
    assert (error.code, error.param) == ("unknown_parameter", f"messages.0.{name}")


def test_a_long_name_is_shortened() -> None:
    error = refusal({"model": "m", "messages": [USER], "x" * 1000: 1})
    assert error.param == "x" * 64


def test_the_deepest_problem_is_the_one_named() -> None:
    error = refusal({"model": "m", "messages": [USER | {"content": [{"type": "text", "text": 5}]}], "n": 0})
    assert error.param == "messages.0.content.0.text"


def test_roles_are_listed_and_not_repeated() -> None:
    error = refusal({"model": "m", "messages": [{"role": "hush", "content": "x"}]})
    assert error.message == "messages.0.role must be one of system, developer, user, assistant, tool."


def test_a_body_of_nothing_but_faults_costs_no_more_than_one() -> None:
    unknown = {f"field{number}": 0 for number in range(101)}
    error = refusal({"model": "m", "messages": [USER], **unknown})
    assert (error.status, error.code, error.param) == (400, "invalid_value", None)
    assert refusal({"model": "m", "messages": [USER | unknown]}).code == "invalid_value"


def test_the_first_wrong_message_and_part_are_enough() -> None:
    part = {"type": "text"}
    body = {"model": "m", "messages": [{"role": "user", "content": [part] * 200}] * 200}
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate_json(json.dumps(body))
    assert caught.value.error_count() == 1
