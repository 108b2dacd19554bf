"""Tool calls put together as the engine streams them, so that each leaves as one."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from serving.judging.protocols import EngineError
from serving.outputs.tools import MOST_TOOLS


@dataclass(slots=True)
class _Call:
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ToolCalls:
    """The calls of one choice. Only names and arguments are taken over; ids are the gateway's own."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}

    def add(self, deltas: list[dict[str, Any]]) -> None:
        """Take in a delta's `tool_calls`. Raises EngineError where the engine makes no sense."""
        for delta in deltas:
            index = delta.get("index")
            if not isinstance(index, int) or not 0 <= index < MOST_TOOLS:
                raise EngineError(502, "The model called a tool in a way that makes no sense.")
            call = self._calls.setdefault(index, _Call())
            function = delta.get("function") or {}
            call.name += str(function.get("name") or "")
            call.arguments.append(str(function.get("arguments") or ""))

    def whole(self) -> list[dict[str, Any]]:
        """The calls in their order, numbered anew, with fresh ids. A call that never got a name is none."""
        named = [call for _, call in sorted(self._calls.items()) if call.name]
        return [
            {
                "index": index,
                "id": f"call_{secrets.token_hex(12)}",
                "type": "function",
                "function": {"name": call.name, "arguments": "".join(call.arguments)},
            }
            for index, call in enumerate(named)
        ]
