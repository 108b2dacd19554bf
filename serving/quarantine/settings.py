"""How many violations are too many."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class QuarantineSettings(BaseModel):
    """When an application is quarantined. Only a supervisor lifts it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    violations: int | None = Field(
        default=None,
        ge=0,
        description="Violations in a window that an application may collect; one more quarantines it. Empty "
        "for 50 in production mode, and for no limit in development.",
    )
    window_seconds: float = Field(
        default=3600, gt=0, le=2_592_000, description="Length of the sliding window, in seconds."
    )
    counted: tuple[Literal["prompt", "answer", "tool_call"], ...] = Field(
        default=("prompt", "answer", "tool_call"),
        description="What counts when it is flagged: prompt, answer, tool_call. Answers that could not be "
        "judged never count, nor does what an observing policy finds.",
    )
    refresh_seconds: float = Field(
        default=1, gt=0, le=10, description="Age at which the list of the quarantined is read again."
    )
