"""How much a tenant may use."""

from pydantic import BaseModel, ConfigDict, Field


class TenantLimits(BaseModel):
    """Limits of one tenant over all its applications; None means no limit of that kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int | None = Field(default=None, ge=0, description="Requests in a minute.")
    tokens_per_minute: int | None = Field(
        default=None, ge=0, description="Tokens, prompts and answers together, in a minute."
    )
    tokens_per_day: int | None = Field(default=None, ge=0, description="Tokens in a day.")
    concurrent_streams: int | None = Field(default=None, ge=0, description="Answers under way at a time.")
    priority: int = Field(
        default=0, ge=-100, le=100, description="Lower is refused first when the judge cannot keep up."
    )
    content_retention_days: int = Field(
        default=0, ge=0, le=3650, description="Days that prompts and answers are kept; 0 keeps none."
    )
