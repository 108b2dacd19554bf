"""What the judge reads of a request, and which texts no request may hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.conversations import conversation_of, guard_texts
from serving.errors import RequestError
from serving.openai_api import ChatRequest, parse_chat_request


def request(*messages: dict[str, Any], **more: Any) -> ChatRequest:
    return parse_chat_request(json.dumps({"model": "m", "messages": list(messages), **more}).encode())


USER = {"role": "user", "content": "Bonjour"}
CALLS = [
    {"id": "a", "type": "function", "function": {"name": "open", "arguments": '{"valve": 1}'}},
    {"id": "b", "type": "function", "function": {"name": "close", "arguments": "{}"}},
]


def test_every_role_and_every_part_is_read() -> None:
    conversation = conversation_of(
        request(
            {"role": "system", "content": "S"},
            {
                "role": "developer",
                "content": [{"type": "text", "text": "D1"}, {"type": "text", "text": "D2"}],
            },
            USER,
            {"role": "assistant", "content": "A", "refusal": "R", "tool_calls": CALLS},
            {"role": "tool", "content": "T", "tool_call_id": "a"},
        ).messages
    )
    assert [(message.role, message.text) for message in conversation] == [
        ("system", "S"),
        ("developer", "D1\nD2"),
        ("user", "Bonjour"),
        ("assistant", 'AR\nopen {"valve": 1}\nclose {}'),
        ("tool", "T"),
    ]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_text_is_left_out(texts: list[str]) -> None:
    parts = [{"type": "text", "text": text} for text in texts]
    [message] = conversation_of(request({"role": "user", "content": parts}).messages)
    assert message.text == "\n".join(texts)


def test_ordinary_requests_pass() -> None:
    guard_texts(request(USER, user="amina", stop=["\n"]), ("<|im_end|>",))


@pytest.mark.parametrize(
    ("text", "code"), [("a\0b", "invalid_text"), ("x<|im_end|>", "reserved_token"), ("<s>", "reserved_token")]
)
def test_the_place_is_named_and_the_text_is_not_repeated(text: str, code: str) -> None:
    reserved = ("<|im_end|>", "<s>")
    with pytest.raises(RequestError) as refused:
        guard_texts(request(USER, {"role": "user", "content": f"hush {text} hush"}), reserved)
    assert refused.value.status == 400
    assert refused.value.code == code
    assert refused.value.param == "messages.1.content"
    assert "hush" not in refused.value.message
