"""Reading stream chunks: whatever leaves in a payload is in the text that is judged."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serving.chunks import chunk_of, text_of_calls, usage_of

words = st.text(max_size=12)
calls = st.lists(
    st.fixed_dictionaries(
        {"index": st.integers(0, 3)},
        optional={
            "id": words,
            "function": st.fixed_dictionaries({}, optional={"name": words, "arguments": words}),
        },
    ),
    max_size=3,
)
deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.none() | words,
        "reasoning": st.none() | words,
        "reasoning_content": words,
        "refusal": st.none() | words,
        "tool_calls": calls,
        "not_known_yet": words,
    },
)
tokens = st.lists(st.fixed_dictionaries({"token": words, "logprob": st.just(-0.1)}), max_size=3)
choices = st.fixed_dictionaries(
    {"index": st.integers(0, 7), "delta": deltas},
    optional={
        "logprobs": st.none() | st.fixed_dictionaries({"content": tokens}),
        "finish_reason": st.none() | st.just("stop"),
        "token_ids": st.none() | st.lists(st.integers(0, 9), max_size=4),
        "stop_reason": words,
    },
)


@given(choices)
def test_everything_a_reader_could_learn_is_judged(choice: dict[str, Any]) -> None:
    count = len(choice.get("token_ids") or ())
    chunk = chunk_of(choice)
    delta = chunk.payload["delta"]
    for name in ("content", "reasoning", "reasoning_content", "refusal", "not_known_yet"):
        assert (delta.get(name) or "") in chunk.text
    for call in delta.get("tool_calls") or []:
        function = call.get("function") or {}
        assert (function.get("name") or "") in chunk.text
        assert (function.get("arguments") or "") in chunk.text
    spelled = "".join(entry["token"] for entry in (chunk.payload.get("logprobs") or {}).get("content") or [])
    assert spelled == chunk.spelled
    assert chunk.tool is bool(delta.get("tool_calls"))
    assert chunk.tokens == count
    assert chunk.choice == chunk.payload["index"]
    assert "token_ids" not in chunk.payload
    assert "stop_reason" not in chunk.payload


def test_words_beside_a_tool_call_are_judged_with_it() -> None:
    delta = {"content": "Let me ", "tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}
    chunk = chunk_of({"index": 0, "delta": delta})
    assert chunk.text == "Let me \nf {}"
    assert chunk.tool


def test_log_probabilities_do_not_show_what_the_text_holds_back() -> None:
    logprobs = {"content": [{"token": "secret", "top_logprobs": [{"token": "secret"}, {"token": "other"}]}]}
    chunk = chunk_of({"index": 0, "delta": {"content": ""}, "logprobs": logprobs})
    assert (chunk.text, chunk.spelled, chunk.alternatives) == ("", "secret", "other")
    assert chunk.telling


def test_what_is_not_judged_does_not_travel() -> None:
    chunk = chunk_of(
        {
            "index": 0,
            "delta": {"content": "a"},
            "logprobs": {"content": [], "refusal": [{"token": "secret"}]},
            "finish_reason": "stop",
            "matched_stop": "secret",
            "token_ids": [1],
        }
    )
    assert chunk.payload == {
        "index": 0, "delta": {"content": "a"}, "logprobs": {"content": []}, "finish_reason": "stop",
    }  # fmt: skip


def test_a_chunk_without_a_delta_is_empty() -> None:
    chunk = chunk_of({"index": 2, "delta": None, "finish_reason": "length"})
    assert (chunk.choice, chunk.text, chunk.tokens, chunk.finish_reason) == (2, "", 0, "length")


def test_calls_are_read_name_first() -> None:
    function = {"name": "pay", "arguments": '{"to": "x"}'}
    assert text_of_calls([{"function": function}, {}]) == '\npay {"to": "x"}'


def test_usage_keeps_what_was_known() -> None:
    assert usage_of({}, 5, 2) == (5, 2)
    usage = {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}
    assert usage_of({"usage": usage}, 5, 2) == (9, 4)
    assert usage_of({"usage": None}, 5, 2) == (5, 2)
