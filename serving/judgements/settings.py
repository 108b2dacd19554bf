"""How long verdicts can be read again."""

from pydantic import BaseModel, ConfigDict, Field


class JudgementsSettings(BaseModel):
    """Verdicts are kept in a file of the state folder, or in Redis where one is set. Never any content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_hours: float = Field(default=168, gt=0, le=24 * 366, description="Hours a judgement can be read.")
    most: int = Field(
        default=100_000,
        ge=1,
        description="Judgements the file holds of each tenant; the oldest go first. Redis has no such.",
    )
