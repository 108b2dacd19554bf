"""What request schemas have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field

TEXT, LIST, OBJECT = "(text)", "(list)", "(object)"
"""Which form a value has that may be one of several; told apart so that an error names one place."""

TextOrList = Discriminator(lambda value: LIST if isinstance(value, list) else TEXT)
TextOrObject = Discriminator(lambda value: TEXT if isinstance(value, str) else OBJECT)

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]


class Strict(BaseModel):
    """Unknown fields, converted types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
