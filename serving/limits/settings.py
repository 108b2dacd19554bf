"""How limits are counted. Their values are the tenant's own, from the directory."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LimitSettings(BaseModel):
    """Where usage is counted, and what happens when that place cannot be reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unreachable: Literal["share", "refuse"] = Field(
        default="share",
        description="While Redis cannot be reached: `share` holds each gateway replica to its share of every "
        "limit, `refuse` answers 503 to tenants that have limits.",
    )
    retry_seconds: float = Field(
        default=1, gt=0, description="Seconds before Redis is tried again after a failure."
    )
    lease_seconds: float = Field(
        default=30,
        ge=1,
        description="Seconds after which the streams of a gateway replica that was killed no longer count.",
    )
    prompt_bytes_per_token: float = Field(
        default=1,
        ge=1,
        le=8,
        description="Bytes of prompt reserved as one token. 1 is never too little; 3 reserves closer to what "
        "English and French need and lets a tenant overshoot by the difference, which is charged afterwards.",
    )
