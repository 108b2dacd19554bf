"""Log-probabilities name only what has been said, and never alternatives."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.chunks import chunk_of
from serving.judging.protocols import Delta, Generation
from serving.outputs.logprobs import Logprobs
from serving.simulator import Script
from tests import profiles
from tests.serving.conftest import MakeStack
from tests.serving.gateways import CHAT, Model, ask

profiles.load()


def entry(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.5, "top_logprobs": [{"token": "other", "logprob": -1.0}]}


def spelled(entries: list[dict[str, Any]]) -> str:
    return "".join(one["token"] for one in entries)


tokens = st.lists(st.text("ab c\ufffdé", min_size=0, max_size=4), max_size=10)


@given(tokens, st.lists(st.integers(0, 12), max_size=12))
def test_what_is_named_has_been_said(tokens: list[str], cuts: list[int]) -> None:
    """Tokens arrive one by one; their text arrives late, in any pieces."""
    text = "".join(tokens)
    aligning = Logprobs()
    said = named = ""
    for place in range(max(len(tokens), len(cuts)) + 1):
        piece = text[len(said) :][: cuts[place] if place < len(cuts) else 0]
        said += piece
        found = aligning.align(piece, [entry(token) for token in tokens[place : place + 1]])
        assert all(one["top_logprobs"] == [] for one in found)
        named += spelled(found)
        position = 0
        for character in named:
            position = said.find(character, position) + 1
            assert position, "a token was named before it was said"


@given(st.lists(st.text("abcdé ", min_size=1, max_size=4), max_size=10))
def test_nothing_is_lost_where_text_comes_with_its_token(tokens: list[str]) -> None:
    aligning = Logprobs()
    assert [spelled(aligning.align(token, [entry(token)])) for token in tokens] == tokens


def test_a_token_waits_for_its_text() -> None:
    aligning = Logprobs()
    assert aligning.align("", [entry("sto")]) == []
    assert aligning.align("st", [entry("p")]) == []
    assert spelled(aligning.align("o", [])) == "sto"
    assert aligning.align("", [entry("</s>")]) == []


def test_what_was_no_text_is_forgotten() -> None:
    aligning = Logprobs()
    assert aligning.align("", [entry("<tool"), entry("_call>")]) == []
    assert spelled(aligning.align("yes", [entry("yes")])) == "yes"
    aligning.align("", [entry("thought")])
    aligning.skip()
    assert aligning.align("thought", []) == []


def test_characters_of_several_tokens_are_passed_over() -> None:
    aligning = Logprobs()
    assert aligning.align("", [entry("\ufffd")]) == []
    assert spelled(aligning.align("é", [entry("\ufffd")])) == ""
    assert spelled(aligning.align(" a", [entry(" a")])) == " a"


class Hasty(Model):
    """Names each token one chunk before its text, as an engine does that looks out for a stop sequence."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        async with aclosing(super().generate(generation)) as deltas:
            held = ""
            async for delta in deltas:
                chunks = []
                for chunk in delta.chunks:
                    word = chunk.payload["delta"].get("content") or ""
                    content, held = (held, word) if chunk.finish_reason is None else (held + word, "")
                    payload = {
                        **chunk.payload,
                        "delta": {"content": content},
                        "logprobs": {"content": [entry(word)]} if word else None,
                        "token_ids": [0] * chunk.tokens,
                    }
                    chunks.append(chunk_of(payload))
                yield Delta(tuple(chunks), delta.usage)


async def test_a_token_is_not_named_ahead_of_its_verdict(make_stack: MakeStack) -> None:
    script = Script(answers={"": "one two three four five six seven zarzour eight"})
    stack = make_stack(engine=Hasty(script), policy={"first_window": 1, "least_window": 1})
    response = await stack.chat(logprobs=True, stream=True)
    chunks = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    said = "".join(choice["delta"].get("content") or "" for choice in choices)
    entries = [one for choice in choices for one in (choice["logprobs"] or {}).get("content", [])]
    assert "zarzour" not in response.text
    assert said.startswith(spelled(entries))
    assert "other" not in response.text
    assert all(passed.count("one") <= 1 for passed in stack.verdicts.passed), "judged twice"


@pytest.mark.parametrize("stream", [False, True])
async def test_alternatives_are_refused(make_stack: MakeStack, stream: bool) -> None:
    stack = make_stack()
    response = await stack.client().post(CHAT, json=ask(logprobs=True, top_logprobs=2, stream=stream))
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["param"], error["code"]) == ("top_logprobs", "unsupported_value")
    assert stack.engine.untouched
    assert (await stack.chat(logprobs=True, top_logprobs=0, stream=stream)).status_code == 200
