"""What is kept of a quarantine."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Quarantined(BaseModel):
    """One application shut out, from `since` (seconds since the epoch) until somebody lifts it.

    `imposed_by` is who did it by hand, None where violations did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    application: str
    tenant: str
    since: float
    reason: str
    violations: int = 0
    imposed_by: str | None = None
    lifted_at: float | None = None
    lifted_by: str | None = None
    lift_reason: str | None = None

    def public(self) -> dict[str, Any]:
        return self.model_dump()
