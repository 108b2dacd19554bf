"""What a real engine puts out beside plain text, for `engine_contract`."""

from typing import Any

from serving.engine import VllmEngine
from serving.judging.protocols import EngineError, Generation
from serving.outputs.presented import PresentedEngine

SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Safi", "Jorf"]}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "weather", "description": "The weather.", "strict": True, "parameters": SCHEMA}
TOOLS = {"tools": [{"type": "function", "function": FUNCTION}], "max_completion_tokens": 60}
NAMED = {"type": "function", "function": {"name": "weather"}}
FORM = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
QUESTION = {"role": "user", "content": "Will it rain in Safi?"}
CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Safi"}'}}
EARLIER = [
    QUESTION,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "No rain.", "tool_call_id": "c"},
]
TEXT = {"prompt": "The capital of Morocco is", "max_tokens": 8}


async def observe_outputs(engine: VllmEngine) -> dict[str, Any]:
    """Each kind of output in the form that clients get."""
    requests: dict[str, dict[str, Any]] = {
        "required": {**TOOLS, "tool_choice": "required"},
        "named": {**TOOLS, "tool_choice": NAMED},
        "single": {**TOOLS, "tool_choice": "required", "parallel_tool_calls": False},
        "auto": {**TOOLS, "tool_choice": "auto"},
        "none": {**TOOLS, "tool_choice": "none"},
        "after": {**TOOLS, "messages": EARLIER},
        "schema": {"response_format": FORM, "max_completion_tokens": 60},
        "object": {"response_format": {"type": "json_object"}, "max_completion_tokens": 40},
        "logprobs": {"logprobs": True, "stop": ["."], "max_completion_tokens": 30},
        "text": TEXT,
        "text_logprobs": {**TEXT, "logprobs": 0},
    }
    return {name: await _answer(engine, name, request) for name, request in requests.items()}


async def _answer(engine: VllmEngine, name: str, request: dict[str, Any]) -> dict[str, Any]:
    body = {"temperature": 0.0, **({} if "prompt" in request else {"messages": [QUESTION]}), **request}
    said: dict[str, Any] = {"content": "", "calls": [], "named": "", "tokens": 0, "finish": None}
    try:
        async for delta in PresentedEngine(engine).generate(Generation(f"output-{name}", body)):
            for chunk in delta.chunks:
                piece = chunk.payload["delta"]
                said["content"] += piece.get("content") or ""
                said["calls"] += piece.get("tool_calls") or []
                entries = (chunk.payload.get("logprobs") or {}).get("content") or []
                said["named"] += "".join(entry["token"] for entry in entries)
                said["tokens"] += chunk.tokens
                said["finish"] = chunk.finish_reason or said["finish"]
    except EngineError as error:
        said["error"] = [error.status, error.message]
    return said
