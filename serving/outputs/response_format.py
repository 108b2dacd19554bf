"""The form that a request asks an answer to have.

Source: the OpenAI API reference, `response_format` of chat completions.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from serving.outputs.json_schema import check_schema
from serving.strict import Name, Strict


class JsonSchema(Strict):
    """A schema by name. It is always enforced, whether or not `strict` asks for it."""

    name: Name
    description: str | None = Field(default=None, max_length=4096)
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema goes with type json_schema, and with no other")
        return self

    def check(self) -> None:
        """Raise RequestError 400 where the schema can't be enforced."""
        if self.json_schema is not None:
            check_schema(self.json_schema.schema_, "response_format.json_schema.schema")
