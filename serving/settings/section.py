"""What every section of the settings has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Fixed once read; a name that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
