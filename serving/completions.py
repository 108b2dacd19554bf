"""`POST /v1/completions`, the legacy route: one text is continued, and judged as an answer to that text.

Source: the OpenAI API reference, `POST /v1/completions`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, Tag, ValidationError

from serving.answers import Envelope
from serving.errors import RequestError
from serving.openai_api import GeneratingRequest, refusal_of
from serving.strict import LIST, TEXT, TextOrList

Text = Annotated[str, Field(min_length=1)]
Prompt = Annotated[
    Annotated[Text, Tag(TEXT)] | Annotated[list[Text], Field(min_length=1, max_length=1), Tag(LIST)],
    TextOrList,
]


class CompletionRequest(GeneratingRequest):
    """A legacy request as the gateway accepts it. `echo` would release the prompt as if it were an answer."""

    prompt: Prompt
    logprobs: int | None = Field(default=None, ge=0, le=5)
    echo: Literal[False] = False

    @property
    def text(self) -> str:
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]

    @property
    def output_tokens(self) -> int | None:
        return self.max_tokens

    def engine_body(self, output_tokens: int) -> dict[str, Any]:
        """The request as the native engine receives it."""
        others = {"model", "n", "stream", "stream_options", "user", "echo"}
        body = self.model_dump(exclude_unset=True, exclude=others)
        return {**body, "prompt": self.text, "max_tokens": output_tokens}


def parse_completion_request(body: bytes) -> CompletionRequest:
    """Parse a request body. Raises RequestError 400 that names the field and never echoes its value."""
    try:
        request = CompletionRequest.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error) from None
    if request.logprobs:
        message = "logprobs must be 0: alternatives to the answer would leave unjudged."
        raise RequestError(400, message, code="unsupported_value", param="logprobs")
    return request


class CompletionEnvelope(Envelope):
    """Answers in the legacy form: `text` in place of messages and deltas."""

    def wrap(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:  # noqa: ARG002  legacy answers are of one kind
        body = super().wrap("text_completion", [_legacy(choice) for choice in choices], **more)
        return {**body, "id": f"cmpl-{self.request_id}"}


def _legacy(choice: dict[str, Any]) -> dict[str, Any]:
    said = choice.get("message") or choice.get("delta") or {}
    entries = (choice.get("logprobs") or {}).get("content") or []
    legacy = {
        "index": choice["index"],
        "text": said.get("content") or "",
        "logprobs": _named(entries) if entries else None,
        "finish_reason": choice.get("finish_reason"),
    }
    if said.get("refusal"):
        legacy["refusal"] = said["refusal"]
    if choice.get("judgement") is not None:
        legacy["judgement"] = choice["judgement"]
    return legacy


def _named(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "tokens": [entry["token"] for entry in entries],
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": None,
        "text_offset": None,
    }
