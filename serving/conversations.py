"""Turns request messages into the conversation that the judge reads, and guards their text."""

from collections.abc import Iterator, Sequence
from typing import Any

from serving.chunks import text_of_calls
from serving.errors import RequestError
from serving.judging.conversation import Conversation, Message
from serving.judging.readable import readable
from serving.openai_api import AssistantMessage, ChatMessage, ChatRequest, Content
from serving.outputs.tools import Tool, text_of_tools


def conversation_of(messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> Conversation:
    """Every message as text, tools and tool calls included: what the native model reads, the judge reads."""
    told = (Message("system", text_of_tools(tools)),) if tools else ()
    return (*told, *(Message(message.role, _text(message)) for message in messages))


def guard_texts(request: ChatRequest, reserved: Sequence[str]) -> None:
    """Raise RequestError 400 where a text holds NUL, or spells a special token of either model.

    The native model's chat template would take it for the real one, and a turn could be forged.
    """
    for where, text in _strings(request.model_dump(exclude_unset=True), ""):
        if "\0" in text:
            raise RequestError(400, f"{where} contains a NUL character.", code="invalid_text", param=where)
        for token in reserved:
            if token in text:
                raise RequestError(
                    400,
                    f"{where} contains {token!r}, which the models reserve for themselves.",
                    code="reserved_token",
                    param=where,
                )


def _text(message: ChatMessage) -> str:
    parts = [_content(message.content)]
    if isinstance(message, AssistantMessage):
        parts.append(message.refusal or "")
        # The native model's chat template decodes arguments.
        parts.append(readable(text_of_calls([call.model_dump() for call in message.tool_calls or []])))
    return "".join(parts)


def _content(content: Content | None) -> str:
    if isinstance(content, list):
        return "\n".join(part.text for part in content)
    return content or ""


def _strings(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every string in a JSON value, keys included, with its path."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield where, str(key)
            yield from _strings(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _strings(item, f"{where}.{index}")
