"""The allow-listed part of the OpenAI chat completions request. An unknown field is an error.

Source: the OpenAI API reference, `POST /v1/chat/completions`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, Tag, ValidationError, model_validator

from serving.errors import RequestError
from serving.outputs.response_format import ResponseFormat
from serving.outputs.tools import ToolChoice, Tools, check_tools, engine_tools
from serving.strict import LIST, OBJECT, TEXT, Name, Strict, TextOrList

CallId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_.:-]+$")]
"""Of a tool call: an identifier, no text. Some chat templates show it to the model, and no judge reads it."""

StopText = Annotated[str, Field(min_length=1, max_length=256)]
StopTexts = Annotated[list[StopText], Field(max_length=4)]
Stop = Annotated[Annotated[StopText, Tag(TEXT)] | Annotated[StopTexts, Tag(LIST)], TextOrList]


class TextPart(Strict):
    type: Literal["text"]
    text: str


TextParts = Annotated[list[TextPart], Field(min_length=1, max_length=256, fail_fast=True)]
Content = Annotated[Annotated[str, Tag(TEXT)] | Annotated[TextParts, Tag(LIST)], TextOrList]

BETWEEN_PARTS = "\n"
"""Joins the parts of a message, for both models: some chat templates would set them side by side, so that the
native model read words which the judge saw in pieces."""


class FunctionCall(Strict):
    name: Name
    arguments: str


class ToolCall(Strict):
    id: CallId
    type: Literal["function"]
    function: FunctionCall


class SystemMessage(Strict):
    role: Literal["system", "developer"]
    content: Content
    name: Name | None = None


class UserMessage(Strict):
    role: Literal["user"]
    content: Content
    name: Name | None = None


class AssistantMessage(Strict):
    role: Literal["assistant"]
    content: Content | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    name: Name | None = None
    tool_calls: list[ToolCall] | None = Field(default=None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and not self.tool_calls and self.refusal is None:
            raise ValueError("content or tool_calls is required")
        return self


class ToolMessage(Strict):
    role: Literal["tool"]
    content: Content
    tool_call_id: CallId


ChatMessage = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


class StreamOptions(Strict):
    include_usage: bool = False


class GeneratingRequest(Strict):
    """What every request for an answer may say."""

    model: str = Field(min_length=1, max_length=256)
    max_tokens: int | None = Field(default=None, ge=1)
    n: int = Field(default=1, ge=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    stop: Stop | None = None
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    user: str | None = Field(default=None, max_length=256)

    @model_validator(mode="after")
    def _options_of_a_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed when stream is true")
        return self

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(GeneratingRequest):
    """A chat completions request as the gateway accepts it."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=2048, fail_fast=True)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("give max_tokens or max_completion_tokens, not both")
        if self.response_format is not None and self.response_format.type != "text" and self._forces_call:
            raise ValueError("response_format is not possible where tool_choice forces a call")
        if self.messages[-1].role == "assistant":
            raise ValueError("the last message must not be the assistant's own")
        return self

    @property
    def _forces_call(self) -> bool:
        return self.tool_choice not in (None, "none", "auto")

    @property
    def output_tokens(self) -> int | None:
        """The limit the client set, by either of its names."""
        return self.max_completion_tokens or self.max_tokens

    def engine_body(self, output_tokens: int) -> dict[str, Any]:
        """The request as the native engine receives it: only what was given, less what is the gateway's."""
        body = self.model_dump(
            exclude_unset=True,
            by_alias=True,
            exclude={
                *("model", "n", "stream", "stream_options", "user", "max_tokens", "max_completion_tokens"),
                "top_logprobs",
            },
        )
        for message in body["messages"]:
            if isinstance(message.get("content"), list):
                message["content"] = BETWEEN_PARTS.join(part["text"] for part in message["content"])
            if "reasoning_content" in message:
                message["reasoning"] = message.pop("reasoning_content")
        if self.tools:
            body["tools"] = engine_tools(self.tools)
        return {**body, "max_completion_tokens": output_tokens}


MOST_ERRORS = 100
"""A body of unknown fields has hundreds of thousands; describing each would block the event loop."""


def parse_chat_request(body: bytes) -> ChatRequest:
    """Parse a request body. Raises RequestError 400 that names the field and never echoes its value."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error) from None
    if request.top_logprobs:
        # Alternatives are texts too, and no verdict covers them: docs/decisions/014.
        message = "top_logprobs must be 0: alternatives to the answer would leave unjudged."
        raise RequestError(400, message, code="unsupported_value", param="top_logprobs")
    if request.response_format is not None:
        request.response_format.check()
    check_tools(request.tools, request.tool_choice, request.parallel_tool_calls)
    return request


def refusal_of(error: ValidationError) -> RequestError:
    """A 400 that names the field and never echoes its value."""
    if error.error_count() > MOST_ERRORS:
        message = f"The body is wrong in more than {MOST_ERRORS} places, unknown fields included."
        return RequestError(400, message, code="invalid_value")
    details = error.errors(include_url=False, include_input=False, include_context=False)
    first = max(details, key=lambda detail: len(detail["loc"]))
    if first["type"] == "json_invalid":
        return RequestError(400, "The body is not valid JSON.", code="invalid_json")
    param = _path(first["loc"]) or None
    if first["type"].startswith("union_tag"):
        # Pydantic would repeat the role that was given.
        code = "missing_required_parameter" if first["type"] == "union_tag_not_found" else "invalid_value"
        message = f"{param}.role must be one of system, developer, user, assistant, tool."
        return RequestError(400, message, code=code, param=f"{param}.role")
    if first["type"] == "extra_forbidden":
        return RequestError(400, f"Unknown field: {param}.", code="unknown_parameter", param=param)
    message = str(first["msg"]).removeprefix("Value error, ")
    code = {"missing": "missing_required_parameter"}.get(first["type"], "invalid_value")
    return RequestError(400, f"{param or 'The request'}: {message}.", code=code, param=param)


def _path(location: tuple[int | str, ...]) -> str:
    """Where the error is, without pydantic's union tags. An unknown field's name may be of any length."""
    parts = list(location)
    if parts[:1] == ["messages"] and len(parts) > 2:
        del parts[2]  # the role
    return ".".join(str(part)[:64] for part in parts if part not in (TEXT, LIST, OBJECT))
