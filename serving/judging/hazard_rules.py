"""What a policy says of hazards: which ones, at which stages, how strictly, and whether they block."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from serving.judging.conversation import Stage
from serving.judging.hazards import Hazard, hazard_named

Probability = Annotated[float, Field(strict=True, gt=0, lt=1)]
Thresholds = Annotated[
    Annotated[Probability, Tag("all stages")] | Annotated[dict[Stage, Probability], Tag("by stage")],
    # Else what is wrong would be said of both, beginning with the one that nobody meant.
    Discriminator(lambda given: "by stage" if isinstance(given, Mapping) else "all stages"),
]
EVERY_STAGE = (Stage.PROMPT, Stage.ANSWER, Stage.TOOL_CALL, Stage.TEXT)


class HazardRule(BaseModel):
    """One hazard of a policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Thresholds | None = Field(
        default=None,
        description="Probability that violates, for all stages or stage by stage; the judge's own if absent.",
    )
    stages: tuple[Stage, ...] = Field(default=EVERY_STAGE, min_length=1)
    action: Literal["block", "flag"] = Field(
        default="block", description="`flag` only reports the hazard with the verdict."
    )

    @property
    def blocks(self) -> bool:
        return self.action == "block"

    def threshold_at(self, stage: Stage) -> float | None:
        """The policy's threshold at a stage; None for the judge's own."""
        if isinstance(self.threshold, dict):
            return self.threshold.get(stage)
        return self.threshold

    @model_validator(mode="after")
    def _thresholds_used(self) -> "HazardRule":
        if isinstance(self.threshold, dict) and (unused := set(self.threshold) - set(self.stages)):
            raise ValueError(f"threshold for {', '.join(sorted(unused))}, which is not among stages")
        return self


def _by_hazard(given: Any) -> Any:
    """Read names and S-codes, in one order, so that the same rules have the same digest."""
    if not isinstance(given, Mapping):
        return given
    rules: dict[Hazard, Any] = {}
    for name, rule in given.items():
        hazard = hazard_named(str(name))
        if hazard in rules:
            raise ValueError(f"{name}: hazard {hazard.value} is there twice")
        rules[hazard] = {} if rule is None else rule
    return {hazard: rules[hazard] for hazard in Hazard if hazard in rules}


HazardRules = Annotated[dict[Hazard, HazardRule], BeforeValidator(_by_hazard)]
