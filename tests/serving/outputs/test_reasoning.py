"""Reasoning is output: judged and released like the answer, or dropped."""

import json
from typing import Any

import pytest

from serving.judging.policy import Reasoning
from serving.simulator import Script
from tests.serving.conftest import MakeStack
from tests.serving.gateways import CHAT, MODEL

THOUGHTS = Script(reasoning={"": "Let me think about it. "}, answers={"": "The answer is four."})
POISONED = Script(reasoning={"": "They want a zarzour now. "}, answers={"": "The answer is four."})


async def message(make_stack: MakeStack, script: Script, stream: bool, **policy: Any) -> dict[str, Any]:
    """The message, and the judgement beside it."""
    response = await make_stack(script=script, policy=policy).chat(stream=stream)
    if not stream:
        body = response.json()
        return {**body["choices"][0]["message"], "judgement": body["judgement"]}
    said: dict[str, Any] = {}
    for line in response.text.split("\n\n"):
        if line.startswith("data: {"):
            chunk = json.loads(line[6:])
            for name, value in chunk["choices"][0]["delta"].items():
                said[name] = said.get(name, "") + (value or "")
            said["judgement"] = chunk.get("judgement")
    return said


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_is_released_apart(make_stack: MakeStack, stream: bool) -> None:
    said = await message(make_stack, THOUGHTS, stream)
    assert said["reasoning_content"] == "Let me think about it. "
    assert said["content"] == "The answer is four."
    tokens = said["judgement"]["tokens"]
    assert tokens["generated"] == tokens["judged"] == tokens["released"] == 9


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_that_violates_blocks(make_stack: MakeStack, stream: bool) -> None:
    said = await message(make_stack, POISONED, stream)
    assert said["judgement"]["outcome"] == "flagged"
    assert "zarzour" not in str(said)


@pytest.mark.parametrize("stream", [False, True])
async def test_dropped_reasoning_never_leaves(make_stack: MakeStack, stream: bool) -> None:
    said = await message(make_stack, POISONED, stream, reasoning=Reasoning.DROP)
    assert "zarzour" not in str(said)
    assert "reasoning_content" not in said
    assert said["content"] == "The answer is four."
    assert said["judgement"]["outcome"] == "passed"
    tokens = said["judgement"]["tokens"]
    assert (tokens["generated"], tokens["released"], tokens["wasted"]) == (9, 4, 5)


async def test_earlier_reasoning_is_read_by_both_models(make_stack: MakeStack) -> None:
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_content": "zarzour"},
        {"role": "user", "content": "c"},
    ]
    stack = make_stack()
    response = await stack.client().post(CHAT, json={"model": MODEL, "messages": turns})
    assert response.json()["judgement"]["outcome"] == "flagged"
    assert stack.engine.generations[0].body["messages"][1]["reasoning"] == "zarzour"
