"""Reads the chunks of an OpenAI chat stream: what of them a reader learns, and what they count."""

import json
from collections.abc import Mapping
from typing import Any

from serving.judging.protocols import Chunk

_THOUGHTS = ("reasoning", "reasoning_content")
_PAYLOAD: tuple[str, ...] = ("index", "delta", "logprobs", "finish_reason")


def chunk_of(choice: dict[str, Any]) -> Chunk:
    """Turn one `choices[]` object of a streaming chunk into a Chunk.

    Only what is judged travels on. The engine's own bookkeeping (`token_ids`) counts tokens here.
    """
    tokens = choice.get("token_ids")
    delta = choice.get("delta") or {}
    calls = delta.get("tool_calls") or []
    entries = (choice.get("logprobs") or {}).get("content") or []
    payload = {name: choice[name] for name in _PAYLOAD if name in choice}
    if choice.get("logprobs") is not None:
        payload["logprobs"] = {"content": entries}
    return Chunk(
        choice=int(choice["index"]),
        payload=payload,
        text=_text(delta) + text_of_calls(calls),
        thought="".join(_plain(delta[name]) for name in _THOUGHTS if delta.get(name)),
        tokens=len(tokens or ()),
        tool=bool(calls),
        finish_reason=choice.get("finish_reason"),
        # Log-probabilities name tokens that the text may hold back (for a stop sequence, say).
        spelled="".join(entry["token"] for entry in entries),
        alternatives="".join(
            other["token"]
            for entry in entries
            for other in entry.get("top_logprobs") or []
            if other["token"] != entry["token"]
        ),
    )


def chat_choice(choice: dict[str, Any]) -> dict[str, Any]:
    """A streamed choice of a chat as it is, one of a legacy completion in the form of a chat's."""
    if "text" not in choice:
        return choice
    named = choice.get("logprobs") or {}
    entries = [
        {"token": token, "logprob": logprob}
        for token, logprob in zip(named.get("tokens") or [], named.get("token_logprobs") or [], strict=False)
    ]
    rest = {name: value for name, value in choice.items() if name not in ("text", "logprobs")}
    return {
        **rest,
        "delta": {"content": choice["text"]},
        "logprobs": {"content": entries} if entries else None,
    }


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
    """Every field of a delta but the role and the tool calls, those that are not known yet included."""
    known = (*_THOUGHTS, "content", "refusal")
    others = sorted(set(delta) - {*known, "role", "tool_calls"})
    return "".join(_plain(delta[name]) for name in (*known, *others) if delta.get(name))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
