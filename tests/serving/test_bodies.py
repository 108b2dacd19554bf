"""Bodies that cost much to read: bounded by their values, and parsed beside the event loop."""

import asyncio
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import admission
from serving.bodies import LARGE, MANY, MOST_VALUES, beside_the_loop, values_in

from .gateways import CHAT, Stack, ask

JSON = {"content-type": "application/json"}
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.sampled_from('a",[{:}]\\é\n'))),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(st.sampled_from('a",\\')), inner)),
)


def exactly(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(exactly, inner))


def empty(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return sum(map(empty, value.values() if isinstance(value, dict) else value)) if value else 1


@given(values, st.booleans())
def test_values_are_counted_without_parsing(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert values_in(text) == exactly(value) + empty(value)


@pytest.mark.parametrize(
    "text",
    [b"[" * 30_000, b'"' * 200_000, b'"",' * 50_000, b"[0]," * 30_000, b'{"":' * 30_000, b'[""]' * 50_000],
)
def test_whatever_is_large_counts_as_large(text: bytes) -> None:
    assert values_in(text) > MOST_VALUES


@pytest.mark.parametrize(
    "text", [b"", b'"', b"\\" * 9, b'"' + b'\\",[{' * 50_000 + b'"', b'"' + b"\\\\" * 50_000 + b'"']
)
def test_what_strings_hold_does_not_count(text: bytes) -> None:
    assert values_in(text) == 1


def schema(inner: dict[str, Any]) -> dict[str, Any]:
    return ask(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": inner}})


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/moderations"])
@pytest.mark.parametrize(
    "body",
    [
        schema({"type": "object", "examples": [[0]] * 100_000}),
        ask(tools=[0] * 100_000),
        ask(metadata={f"{number}": {} for number in range(50_000)}),
        {"input": [""] * 100_000, "prompt": [""] * 100_000},
    ],
    ids=["examples", "tools", "unknown", "texts"],
)
async def test_too_many_values(stack: Stack, path: str, body: dict[str, Any]) -> None:
    response = await stack.client().post(path, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "too_many_values"
    assert stack.engine.untouched


async def test_arguments_of_calls_are_bounded_too(stack: Stack) -> None:
    """They are JSON inside a string; what a chat template decodes, the gateway has to look through."""
    function = {"name": "f", "arguments": json.dumps([[]] * (MOST_VALUES // 4))}
    call = {"id": "c", "type": "function", "function": function}
    said = [{"role": "assistant", "tool_calls": [call]}, {"role": "user", "content": "et alors ?"}]
    assert (await stack.chat(messages=said)).status_code == 200
    response = await stack.chat(messages=[said[0], said[0], *said])
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("too_many_values", "messages.1.tool_calls")


@pytest.mark.parametrize("parts", [1, 2])
async def test_the_longest_conversation_passes(stack: Stack, parts: int) -> None:
    content = [{"type": "text", "text": "واخا، نعم"}] * parts
    response = await stack.chat(messages=[{"role": "user", "content": content}] * 2048)
    assert response.status_code == 200


async def test_the_longest_moderated_text_fits_the_body(stack: Stack) -> None:
    text = "ب" * 200_000  # an escape of six bytes each, as clients write it
    content = json.dumps({"input": text})
    response = await stack.client().post("/v1/moderations", content=content, headers=JSON)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("body", "apart"),
    [
        (b"{}", False),
        (b" " * (LARGE - 1), False),
        (b" " * LARGE, True),
        (b"[" + b"0," * MANY + b"0]", True),
    ],
)
async def test_large_bodies_are_read_in_a_thread(body: bytes, apart: bool) -> None:
    thread = await beside_the_loop(body, threading.current_thread)
    assert (thread is not threading.current_thread()) is apart


async def test_parsing_and_guarding_leave_the_loop(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, threading.Thread] = {}
    for name in ("refuse_ambiguous", "guard_texts", "require_room"):
        one = getattr(admission, name)

        def noting(*arguments: Any, name: str = name, one: Any = one) -> None:
            seen[name] = threading.current_thread()
            one(*arguments)

        monkeypatch.setattr(admission, name, noting)
    assert (await stack.chat("a")).status_code == 200
    assert set(seen.values()) == {threading.current_thread()}
    assert (await stack.chat("a" * LARGE)).status_code == 200
    assert len(seen) == 3
    assert threading.current_thread() not in seen.values()


async def test_a_large_body_is_guarded_as_a_small_one(stack: Stack) -> None:
    responses = await asyncio.gather(
        stack.chat("a" * LARGE + "<|im_end|>"),
        stack.chat("a" * LARGE, model="another"),
        stack.client().post(CHAT, json=ask(unknown="a" * LARGE)),
    )
    codes = [response.json()["error"]["code"] for response in responses]
    assert codes == ["reserved_token", "model_not_found", "unknown_parameter"]
    assert stack.engine.untouched
