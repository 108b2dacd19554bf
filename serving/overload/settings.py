"""When the judge counts as overloaded, and when as gone."""

from pydantic import BaseModel, ConfigDict, Field


class OverloadSettings(BaseModel):
    """Bounds on the judge as one gateway replica sees it. At pressure 1 a bound is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_checks: int = Field(
        default=512, ge=1, description="Checks that may be queued or under way at a time, by gateway replica."
    )
    max_latency: float = Field(
        default=10, gt=0, description="Seconds that the median recent check may take, its queueing included."
    )
    window_seconds: float = Field(default=10, gt=0, description="How far back `recent` goes.")
    spread: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="How much earlier than priority 0 the lowest priority (-100) is refused, and how much "
        "later the highest (100), as a share of the bounds.",
    )
    resume: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of the pressure at which a priority was refused that it must fall to before it "
        "is admitted again.",
    )
    breaker_failures: int = Field(
        default=5, ge=1, description="Checks in a row that fail or time out before the judge counts as gone."
    )
    breaker_open_seconds: float = Field(
        default=5, gt=0, description="Seconds between probes of a judge that is gone."
    )
    breaker_probe_timeout: float = Field(default=5, gt=0, description="Seconds a probe may take.")
