"""Structured output: what reaches the engine, what is refused, and that JSON is judged as it reads."""

from typing import Any

import pytest
from openai import OpenAI
from pydantic import BaseModel

from serving.simulator import Script
from tests.serving.conftest import MakeStack
from tests.serving.gateways import CHAT, MODEL, ask
from tests.serving.outputs.conftest import MakeClient

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Place(BaseModel):
    city: str


def test_the_sdk_parses_into_a_model(client: MakeClient) -> None:
    sdk: OpenAI = client(script=Script(answers={"": '{"city": "Khouribga"}'}))
    answer = sdk.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": "Where?"}], response_format=Place
    )
    assert answer.choices[0].message.parsed == Place(city="Khouribga")
    with sdk.chat.completions.stream(
        model=MODEL, messages=[{"role": "user", "content": "Where?"}], response_format=Place
    ) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Place(city="Khouribga")


@pytest.mark.parametrize(
    "form",
    [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}},
        {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}},
    ],
)
async def test_the_engine_receives_the_form(make_stack: MakeStack, form: dict[str, Any]) -> None:
    stack = make_stack()
    assert (await stack.chat(response_format=form)).status_code == 200
    assert stack.engine.generations[0].body["response_format"] == form


@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant"])
@pytest.mark.parametrize("spelling", ["zarzour", "z\\u0061rzour", "\\u007a\\u0061\\u0072zour"])
async def test_escapes_hide_nothing(make_stack: MakeStack, application: str, spelling: str) -> None:
    stack = make_stack(script=Script(answers={"": f'{{"bird": "{spelling}"}}'}))
    response = await stack.chat(application=application, response_format={"type": "json_object"})
    assert response.json()["judgement"]["outcome"] == "flagged"
    assert "bird" not in response.text


def schema(inner: Any, **more: Any) -> dict[str, Any]:
    return ask(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": inner, **more}})


FORCED: dict[str, Any] = {
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "required",
    "response_format": {"type": "json_object"},
}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (ask(response_format="json"), "response_format", "invalid_value"),
        (ask(response_format={}), "response_format.type", "missing_required_parameter"),
        (ask(response_format={"type": "xml"}), "response_format.type", "invalid_value"),
        (ask(response_format={"type": "json_schema"}), "response_format", "invalid_value"),
        (ask(response_format={"type": "text", "x": 1}), "response_format.x", "unknown_parameter"),
        (
            ask(response_format={"type": "json_schema", "json_schema": {"name": "x"}}),
            "response_format.json_schema.schema",
            "missing_required_parameter",
        ),
        (schema([]), "response_format.json_schema.schema", "invalid_value"),
        (schema({"type": "nothing"}), "response_format.json_schema.schema.type", "invalid_schema"),
        (schema({"pattern": "(a+)+"}), "response_format.json_schema.schema.pattern", "invalid_schema"),
        (schema({"$ref": "https://x"}), "response_format.json_schema.schema.$ref", "invalid_schema"),
        (schema({"enum": ["<|im_end|>"]}), "response_format.json_schema.schema.enum.0", "reserved_token"),
        (ask(**FORCED), None, "invalid_value"),
    ],
)
async def test_wrong_forms(make_stack: MakeStack, body: dict[str, Any], param: str | None, code: str) -> None:
    stack = make_stack()
    response = await stack.client().post(CHAT, json=body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert stack.engine.untouched
