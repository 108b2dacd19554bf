"""What `POST /v1/moderations` takes: texts, or parts that are one text together.

Source: the OpenAI API reference, `POST /v1/moderations`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from serving.errors import RequestError
from serving.openai_api import MOST_ERRORS, TextPart, refusal_of
from serving.strict import LIST, OBJECT, TEXT, Strict

MOST_TEXTS = 32
MOST_PARTS = 256

OPENAI_MODELS = frozenset(
    {
        "omni-moderation-latest",
        "omni-moderation-2024-09-26",
        "text-moderation-latest",
        "text-moderation-stable",
    }
)
"""OpenAI's own names, all of them, as its SDK lists them."""


class ImagePart(Strict):
    """Known only so that its refusal can say why."""

    type: Literal["image_url"]
    image_url: Any


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]
Texts = Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS, fail_fast=True)]
Parts = Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS, fail_fast=True)]


def _form(given: Any) -> str:
    if not isinstance(given, list):
        return TEXT
    return OBJECT if given and isinstance(given[0], dict) else LIST


Input = Annotated[
    Annotated[str, Tag(TEXT)] | Annotated[Texts, Tag(LIST)] | Annotated[Parts, Tag(OBJECT)],
    Discriminator(_form),
]


class ModerationRequest(Strict):
    """The texts to be judged. `model` may name the judge, and nothing else."""

    input: Input
    model: str | None = Field(default=None, max_length=256)

    @property
    def texts(self) -> Sequence[str]:
        """What gets a result each. Parts are one text, as with OpenAI, joined as those of a chat message."""
        if isinstance(self.input, str):
            return [self.input]
        parts = [part.text for part in self.input if isinstance(part, TextPart)]
        return ["\n".join(parts)] if parts else [text for text in self.input if isinstance(text, str)]

    def names(self, judge: str) -> bool:
        """Whether the judge with that id is the one asked for: by no name, by its id, or by OpenAI's names.

        There is one judge for whoever may moderate, so that no name leads to another.
        """
        return self.model in {None, judge} or self.model in OPENAI_MODELS


def parse_moderation_request(body: bytes) -> ModerationRequest:
    """Parse a request body. Raises RequestError 400 that names the field."""
    try:
        request = ModerationRequest.model_validate_json(body)
    except ValidationError as error:
        if error.error_count() <= MOST_ERRORS and any(
            detail["loc"][:1] == ("input",) and (detail["loc"][1:] or detail["type"] != "missing")
            for detail in error.errors()
        ):
            message = (
                f"input must be a text, a list of 1 to {MOST_TEXTS} texts, or a list of 1 to {MOST_PARTS} "
                "parts of type text."
            )
            raise RequestError(400, message, code="invalid_value", param="input") from None
        raise refusal_of(error) from None
    for place, part in enumerate(request.input if isinstance(request.input, list) else ()):
        if isinstance(part, ImagePart):
            raise RequestError(
                400,
                "The judge reads text only: parts of type image_url can't be judged.",
                code="unsupported_value",
                param=f"input.{place}.type",
            )
    return request
