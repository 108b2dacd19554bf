"""Reading vLLM's stream: what it says of a failure may quote what the model said, which nobody has judged."""

import json
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import pytest

from serving.engine import VllmEngine
from serving.judging.protocols import Delta, EngineError, Generation

ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
WORD = {"choices": [{"index": 0, "delta": {"content": "zarz"}, "token_ids": [1]}]}
QUOTING = {"error": {"message": "json parser could not parse 'zarzour'", "code": 400}}
TOO_LONG = {"error": {"message": "The prompt is too long.", "code": 400}}


class Chat:
    """vLLM's chat layer as far as the adapter uses it: server-sent events, then perhaps a failure."""

    def __init__(self, messages: list[dict[str, Any]], failure: Exception | None = None) -> None:
        self._messages = messages
        self._failure = failure
        self.closed = False

    async def create_chat_completion(self, request: Any, raw: None) -> AsyncGenerator[str, None]:
        return self._stream()

    async def _stream(self) -> AsyncGenerator[str, None]:
        try:
            for message in self._messages:
                yield f"data: {json.dumps(message)}\n\n"
            if self._failure is not None:
                raise self._failure
            yield "data: [DONE]\n\n"
        finally:
            self.closed = True


class Tokenizer:
    """One without special tokens."""

    added_tokens_decoder: ClassVar[dict[int, str]] = {}
    all_special_ids: ClassVar[list[int]] = []
    unk_token_id = None


class Engine(VllmEngine):
    """The adapter without vLLM."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(None, chat, Tokenizer(), "model", max_model_len=8192)

    def _chat_request(self, generation: Generation) -> Any:
        return generation


async def read(chat: Chat) -> list[Delta]:
    return [delta async for delta in Engine(chat).generate(Generation("r", {}))]


@pytest.mark.parametrize("begun", [[ROLE], [ROLE, WORD]])
async def test_a_failure_of_a_model_that_speaks_does_not_quote_it(begun: list[dict[str, Any]]) -> None:
    with pytest.raises(EngineError) as caught:
        await read(Chat([*begun, QUOTING]))
    assert (caught.value.status, caught.value.message) == (502, "The model failed to answer.")


async def test_an_exception_while_the_model_speaks_is_not_quoted() -> None:
    with pytest.raises(EngineError) as caught:
        await read(Chat([ROLE, WORD], ValueError("could not parse 'zarzour'")))
    assert (caught.value.status, caught.value.message) == (502, "The model failed to answer.")


async def test_a_request_that_is_refused_before_the_model_speaks_is_told_why() -> None:
    with pytest.raises(EngineError) as caught:
        await read(Chat([TOO_LONG]))
    assert (caught.value.status, caught.value.message) == (400, "The prompt is too long.")


async def test_a_chunk_that_cannot_be_read_leaves_vllm_nothing_to_do() -> None:
    chat = Chat([ROLE, {"choices": [{"delta": {"content": "a"}}]}, WORD])
    with pytest.raises(EngineError) as caught:
        await read(chat)
    assert caught.value.status == 502
    assert chat.closed
