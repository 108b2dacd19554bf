"""Reads the chunks of an OpenAI chat stream: what of them a reader learns, and what they count."""

from collections.abc import Mapping
from typing import Any

from serving.judging.protocols import Chunk


def chunk_of(choice: dict[str, Any]) -> Chunk:
    """Turn one `choices[]` object of a streaming chunk into a Chunk.

    The engine's own bookkeeping (`token_ids`, `stop_reason`) counts tokens here and does not travel on.
    """
    tokens = choice.pop("token_ids", None)
    choice.pop("stop_reason", None)
    delta = choice.get("delta") or {}
    calls = delta.get("tool_calls") or []
    return Chunk(
        choice=int(choice["index"]),
        payload=choice,
        text=text_of_calls(calls) if calls else _text(delta),
        tokens=len(tokens or ()),
        tool=bool(calls),
        finish_reason=choice.get("finish_reason"),
    )


def usage_of(message: Mapping[str, Any], prompt_tokens: int, cached: int) -> tuple[int, int]:
    """The prompt's tokens and how many of them were cached, as far as known by now."""
    usage = message.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}
    return int(usage.get("prompt_tokens") or prompt_tokens), int(details.get("cached_tokens") or cached)


def text_of_calls(calls: list[dict[str, Any]]) -> str:
    """Tool calls as text to be judged: the name on a line of its own, then the arguments as they are."""
    parts = []
    for call in calls:
        function = call.get("function") or {}
        if function.get("name"):
            parts.append(f"\n{function['name']} ")
        parts.append(function.get("arguments") or "")
    return "".join(parts)


def _text(delta: Mapping[str, Any]) -> str:
    fields = ("reasoning", "reasoning_content", "content", "refusal")
    return "".join(str(delta[name]) for name in fields if delta.get(name))
