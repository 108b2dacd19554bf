"""Turns request messages into the conversation that the judge reads, and guards their text."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from serving.bodies import MOST_VALUES, values_in
from serving.chunks import text_of_calls
from serving.errors import RequestError
from serving.judging.conversation import Conversation, Message
from serving.judging.readable import readable
from serving.openai_api import (
    BETWEEN_PARTS,
    AssistantMessage,
    ChatMessage,
    ChatRequest,
    Content,
    GeneratingRequest,
    ToolMessage,
)
from serving.outputs.tools import Tool, text_of_tools


def conversation_of(messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> Conversation:
    """Every message as text, tools and tool calls included: what the native model reads, the judge reads."""
    told = (Message("system", text_of_tools(tools)),) if tools else ()
    return (*told, *(Message(message.role, _text(message)) for message in messages))


def guard_texts(request: GeneratingRequest, reserved: Sequence[str]) -> None:
    """Raise RequestError 400 where a text holds NUL, or spells a special token of either model.

    The native model's chat template would take it for the real one, and a turn could be forged.
    """
    given = _strings(request.model_dump(exclude_unset=True, by_alias=True), "")
    rendered = _as_rendered(request.messages) if isinstance(request, ChatRequest) else ()
    for where, text in chain(given, rendered):
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


def _as_rendered(messages: Sequence[ChatMessage]) -> Iterator[tuple[str, str]]:
    """What a chat template makes of texts: parts set side by side, and arguments of tool calls decoded."""
    left = MOST_VALUES
    for place, message in enumerate(messages):
        where = f"messages.{place}"
        if isinstance(message.content, list):
            yield f"{where}.content", "".join(part.text for part in message.content)
        for call in (message.tool_calls if isinstance(message, AssistantMessage) else None) or []:
            left -= values_in(call.function.arguments.encode(errors="replace"))
            if left < 0:
                raise _too_many_values(f"{where}.tool_calls")
            yield from _strings(_decoded(call.function.arguments, where), f"{where}.tool_calls")


def _decoded(arguments: str, where: str) -> Any:
    """Arguments as a chat template gets them; what is no JSON, the engine refuses or leaves as it stands."""
    try:
        return json.loads(arguments)
    except ValueError:
        return None
    except RecursionError:
        param = f"{where}.tool_calls"
        message = f"{param}: arguments are nested too deeply."
        raise RequestError(400, message, code="invalid_value", param=param) from None


def _too_many_values(param: str) -> RequestError:
    message = f"{param}: arguments hold more than {MOST_VALUES} JSON values."
    return RequestError(400, message, code="too_many_values", param=param)


def _text(message: ChatMessage) -> str:
    parts = [_content(message.content)]
    if not isinstance(message, ToolMessage) and message.name is not None:
        parts[0] = f"{message.name}: {parts[0]}"
    if isinstance(message, AssistantMessage):
        parts.insert(0, message.reasoning_content or "")
        parts.append(message.refusal or "")
        # The native model's chat template decodes arguments.
        parts.append(readable(text_of_calls([call.model_dump() for call in message.tool_calls or []])))
    return "".join(parts)


def _content(content: Content | None) -> str:
    if isinstance(content, list):
        return BETWEEN_PARTS.join(part.text for part in content)
    return content or ""


def _strings(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every string in a JSON value, keys included, with its path; however deep, each costs the same."""
    open_containers = [iter([(where, value)])]
    while open_containers:
        for place, item in open_containers[-1]:
            if isinstance(item, str):
                yield place, item
            elif isinstance(item, dict | list | tuple):
                open_containers.append(_members(item, place))
                break
        else:
            open_containers.pop()


def _members(container: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(container, dict):
        for key, item in container.items():
            yield where, str(key)
            yield _inside(where, str(key)), item
    else:
        for index, item in enumerate(container):
            yield _inside(where, str(index)), item


def _inside(where: str, name: str) -> str:
    """A path, bounded: a client may choose names of any length."""
    return f"{where}.{name[:64]}"[:256] if where else name[:64]
