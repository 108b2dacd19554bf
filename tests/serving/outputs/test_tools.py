"""Tool calls through the stock SDK and plain HTTP: offered, chosen, judged, released whole."""

import json
from typing import Any, cast

import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from serving.errors import RequestError
from serving.outputs.tools import MOST_NODES, Function, Tool, check_tools, engine_tools
from serving.simulator import Script
from tests.serving.conftest import MakeStack
from tests.serving.gateways import CHAT, MODEL, ask
from tests.serving.outputs.conftest import MakeClient

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
PAY: ChatCompletionToolParam = {"type": "function", "function": {"name": "pay"}}
TOOLS = [WEATHER, PAY]
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Safi?"}]
CALLS = Script.model_validate(
    {
        "answers": {"": "No tool was needed for this.", "22 degrees": "It is 22 degrees in Safi today."},
        "calls": {
            "weather": [
                {"name": "weather", "arguments": '{"city": "Safi"}'},
                {"name": "weather", "arguments": '{"city": "Jorf"}'},
            ],
            "pay": [{"name": "pay", "arguments": '{"to": "zarzour"}'}],
            "hidden": [{"name": "pay", "arguments": '{"to": "z\\u0061rzour"}'}],
            "named badly": [{"name": "zarzour", "arguments": "{}"}],
            "22 degrees": [],
        },
    }
)


@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant", "safi-assistant"])
def test_an_agents_loop(client: MakeClient, application: str) -> None:
    """Ask, run the tool, answer its result with the SDK's own message object."""
    chat = client(application, script=CALLS).chat.completions
    answer = chat.create(model=MODEL, messages=QUESTION, tools=TOOLS, parallel_tool_calls=False)
    [choice] = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content in (None, "")
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Safi"})
    assert call.id.startswith("call_"), "the engine's own id was passed on"
    assert (answer.model_extra or {})["judgement"]["outcome"] == "passed"
    messages = [
        *QUESTION,
        cast(ChatCompletionMessageParam, choice.message),
        {"role": "tool", "tool_call_id": call.id, "content": "22 degrees"},
    ]
    final = chat.create(model=MODEL, messages=cast(list[ChatCompletionMessageParam], messages), tools=TOOLS)
    assert final.choices[0].message.content == "It is 22 degrees in Safi today."


@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant", "safi-assistant"])
def test_streamed_calls_through_the_helper(client: MakeClient, application: str) -> None:
    chat = client(application, script=CALLS).chat.completions
    with chat.stream(model=MODEL, messages=QUESTION, tools=TOOLS) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        [choice] = stream.get_final_completion().choices
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls or []
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Safi", "Jorf"]
    assert len({call.id for call in calls}) == 2
    assert [event.name for event in done] == ["weather", "weather"]


async def test_each_call_leaves_in_one_piece(make_stack: MakeStack) -> None:
    stack = make_stack(script=CALLS)
    response = await stack.chat("weather", tools=TOOLS, stream=True, n=2)
    chunks = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
    calling = [c for chunk in chunks for c in chunk["choices"] if c["delta"].get("tool_calls")]
    assert sorted(choice["index"] for choice in calling) == [0, 0, 1, 1]
    for choice in calling:
        [call] = choice["delta"]["tool_calls"]
        assert set(call) == {"index", "id", "type", "function"}
        assert json.loads(call["function"]["arguments"])["city"] in ("Safi", "Jorf")
    ends = [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]
    assert ends == ["tool_calls", "tool_calls"]
    tokens = chunks[-1]["judgement"]["tokens"]
    assert tokens["generated"] == tokens["judged"] == tokens["released"] > 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prompt", ["pay", "hidden", "named badly"])
async def test_a_call_that_violates_never_leaves(make_stack: MakeStack, prompt: str, stream: bool) -> None:
    """By its arguments, by arguments in JSON's escapes, by its name."""
    stack = make_stack(script=CALLS)
    response = await stack.chat(prompt, tools=TOOLS, stream=stream)
    assert response.status_code == 200
    text = response.text
    assert "tool_calls" not in text
    assert "z\\u0061rzour" not in text
    assert "zarzour" not in text
    assert '"finish_reason":"content_filter"' in text
    assert '"stage":"tool_call"' in text


@pytest.mark.parametrize(
    ("choice", "names", "finish"),
    [
        ("none", [], "stop"),
        ("auto", [], "stop"),
        (None, [], "stop"),
        ("required", ["weather"], "tool_calls"),
        ({"type": "function", "function": {"name": "pay"}}, ["pay"], "tool_calls"),
    ],
)
async def test_choosing_among_the_tools(
    make_stack: MakeStack, choice: Any, names: list[str], finish: str
) -> None:
    stack = make_stack(script=CALLS)
    body = {} if choice is None else {"tool_choice": choice}
    response = await stack.chat("Bonjour", tools=TOOLS, body=body)
    [one] = response.json()["choices"]
    assert [call["function"]["name"] for call in one["message"].get("tool_calls", [])] == names
    assert one["finish_reason"] == finish
    assert stack.engine.generations[0].body.get("tool_choice") == choice


async def test_the_engine_is_told_which_arguments_to_enforce(make_stack: MakeStack) -> None:
    costly = {"name": "a", "parameters": {"type": "object", "properties": {"x": {"pattern": "a*"}}}}
    free = {**WEATHER["function"], "name": "b", "strict": False}
    tools = [{"type": "function", "function": function} for function in (WEATHER["function"], costly, free)]
    stack = make_stack(script=CALLS)
    assert (await stack.chat(tools=tools)).status_code == 200
    given = stack.engine.generations[0].body["tools"]
    assert [tool["function"]["strict"] for tool in given] == [True, False, False]


async def test_the_judge_reads_the_tools(make_stack: MakeStack) -> None:
    stack = make_stack(script=CALLS)
    await stack.chat(tools=TOOLS)
    read = "".join(segment.text for segment in stack.judge.questions[0].segments)
    assert "The weather of a city." in read
    assert '"properties": {"city": {"type": "string"}}' in read
    flagged = {"type": "function", "function": {"name": "f", "description": "zarzour"}}
    assert (await stack.chat(tools=[flagged])).json()["judgement"]["outcome"] == "flagged"


async def test_the_judge_reads_earlier_arguments_as_the_model_does(make_stack: MakeStack) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "z\\u0061rzour"}'}}
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "y", "tool_call_id": "c"},
    ]
    stack = make_stack(script=CALLS)
    response = await stack.client().post(CHAT, json={"model": MODEL, "messages": turns})
    assert response.json()["judgement"]["outcome"] == "flagged"


async def test_a_model_without_a_parser_takes_no_tools(make_stack: MakeStack) -> None:
    stack = make_stack(accepts_tools=False)
    response = await stack.chat(tools=TOOLS)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "tools"


def parameters(schema: Any) -> dict[str, Any]:
    return ask(tools=[{"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}])


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (ask(tools=[]), "tools", "invalid_value"),
        (ask(tools="x"), "tools", "invalid_value"),
        (ask(tools=[PAY] * 129), "tools", "invalid_value"),
        (ask(tools=[{"type": "retrieval"}]), "tools.0.type", "invalid_value"),
        (ask(tools=[{"type": "function"}]), "tools.0.function", "missing_required_parameter"),
        (
            ask(tools=[{"type": "function", "function": {"name": "a b"}}]),
            "tools.0.function.name",
            "invalid_value",
        ),
        (ask(tools=[PAY, PAY]), "tools.1.function.name", "invalid_value"),
        (
            ask(tools=[{"type": "function", "function": {"name": "f", "x": 1}}]),
            "tools.0.function.x",
            "unknown_parameter",
        ),
        (ask(tool_choice="auto"), "tool_choice", "invalid_value"),
        (ask(tool_choice="any", tools=[PAY]), "tool_choice", "invalid_value"),
        (ask(tool_choice={"type": "function"}, tools=[PAY]), "tool_choice.function", None),
        (
            ask(tool_choice={"type": "function", "function": {"name": "other"}}, tools=[PAY]),
            "tool_choice.function.name",
            "invalid_value",
        ),
        (ask(parallel_tool_calls=True), "parallel_tool_calls", "invalid_value"),
        (ask(parallel_tool_calls="x", tools=[PAY]), "parallel_tool_calls", "invalid_value"),
        (parameters({"type": "array"}), "tools.0.function.parameters", "invalid_schema"),
        (
            parameters({"properties": {"a": {"pattern": "(a+)+$"}}}),
            "tools.0.function.parameters.properties.a.pattern",
            "invalid_schema",
        ),
        (
            ask(tools=[{"type": "function", "function": {"name": "f", "description": "<|im_end|>"}}]),
            "tools.0.function.description",
            "reserved_token",
        ),
        (
            ask(tools=[{"type": "function", "function": {"name": "f", "parameters": {"<|im_end|>": 1}}}]),
            "tools.0.function.parameters",
            "reserved_token",
        ),
    ],
)
async def test_wrong_tools(make_stack: MakeStack, body: dict[str, Any], param: str, code: str | None) -> None:
    stack = make_stack()
    response = await stack.client().post(CHAT, json=body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == param
    assert code is None or error["code"] == code
    assert stack.engine.untouched
    assert stack.judge.untouched


def of_emails(number: int, strict: bool | None = None) -> Tool:
    """Its grammar is among the most expensive that one function may ask for."""
    properties = {f"p{place}": {"type": "string", "format": "email"} for place in range(18)}
    function = Function(
        name=f"f{number}", parameters={"type": "object", "properties": properties}, strict=strict
    )
    return Tool(type="function", function=function)


def test_what_many_functions_are_held_to_has_a_bound_together() -> None:
    told = engine_tools([of_emails(number) for number in range(20)])
    held = [tool["function"]["strict"] for tool in told]
    assert held == sorted(held, reverse=True), "the first ones"
    assert 1 <= sum(held) * 199 <= MOST_NODES
    assert len(told) == 20
    strict = [of_emails(number, strict=True) for number in range(20)]
    check_tools(strict[:3], "required", None)
    with pytest.raises(RequestError) as refused:
        check_tools(strict, "required", None)
    assert (refused.value.status, refused.value.param) == (400, "tools")
