"""The tools that a request offers to the model, and how the model must choose among them.

Source: the OpenAI API reference, `tools`, `tool_choice` and `parallel_tool_calls` of chat completions.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from serving.errors import RequestError
from serving.outputs.json_schema import check_schema, enforceable_size
from serving.strict import OBJECT, TEXT, Name, Strict, TextOrObject

MOST_NODES = 1_000
"""Sub-schemas of all functions together that arguments are held to."""

MOST_TOOLS = 128


class Function(Strict):
    """One function as the model is told of it. `parameters` is a JSON schema of its arguments."""

    name: Name
    description: str | None = Field(default=None, max_length=4096)
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    type: Literal["function"]
    function: Function


class FunctionName(Strict):
    name: Name


class NamedTool(Strict):
    type: Literal["function"]
    function: FunctionName


Tools = Annotated[list[Tool], Field(min_length=1, max_length=MOST_TOOLS)]
ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag(TEXT)] | Annotated[NamedTool, Tag(OBJECT)],
    TextOrObject,
]


def check_tools(tools: Sequence[Tool] | None, choice: str | NamedTool | None, parallel: bool | None) -> None:
    """Raise RequestError 400 where tools, the choice among them and their schemas do not go together."""
    if not tools:
        for param, given in (("tool_choice", choice), ("parallel_tool_calls", parallel)):
            if given not in (None, "none"):
                raise _wrong(f"{param} is only allowed together with tools.", param)
        return
    names = [tool.function.name for tool in tools]
    size = 0
    for place, tool in enumerate(tools):
        where = f"tools.{place}.function"
        if tool.function.name in names[:place]:
            raise _wrong(f"{where}.name: two tools have the same name.", f"{where}.name")
        if tool.function.strict and tool.function.parameters is not None:
            size += check_schema(tool.function.parameters, f"{where}.parameters", arguments=True)
    if size > MOST_NODES:
        raise _wrong(f"tools: schemas with strict may have at most {MOST_NODES} parts together.", "tools")
    if isinstance(choice, NamedTool) and choice.function.name not in names:
        raise _wrong("tool_choice.function.name is not among the tools.", "tool_choice.function.name")


def engine_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools as the native engine receives them: arguments are held to their schema where possible.

    `strict: false` frees a function's arguments; `strict: true` has been refused where it can't be kept. Of
    the others, the first are held whose schemas come to no more than `MOST_NODES` together.
    """
    made, size = [], 0
    for tool in tools:
        function, strict = tool.function, tool.function.strict
        if strict is None:
            of_tool = None if function.parameters is None else enforceable_size(function.parameters)
            strict = of_tool is not None and size + of_tool <= MOST_NODES
            size += of_tool if strict and of_tool else 0
        kept = function.model_dump(exclude_none=True)
        made.append({"type": "function", "function": {**kept, "strict": strict}})
    return made


def text_of_tools(tools: Sequence[Tool]) -> str:
    """The tools as the judge reads them: a line each, all that the native model is told of them."""
    return "\n".join(
        json.dumps(tool.function.model_dump(exclude_none=True), ensure_ascii=False) for tool in tools
    )


def _wrong(message: str, param: str) -> RequestError:
    return RequestError(400, message, code="invalid_value", param=param)
