"""The settings of models that are served: the native one, the judge, and shadows."""

from typing import Any, Literal

from pydantic import Field, model_validator

from auth.user_path import UserPath
from serving.settings.section import Section


class EngineSettings(Section):
    """One model and how it is served."""

    model: str = Field(description="Catalog id of the model.")
    accelerator: Literal["cpu", "gpu"] = Field(default="cpu", description="What it runs on.")
    min_replicas: int = Field(default=1, ge=1, description="Fewest replicas.")
    max_replicas: int = Field(
        default=1, ge=1, description="Most replicas; more than the fewest: autoscaling."
    )
    target_ongoing_requests: int = Field(
        default=16, ge=1, description="Requests per replica that autoscaling aims at."
    )
    max_ongoing_requests: int = Field(default=256, ge=1, description="Requests one replica takes at a time.")
    cpus: float | None = Field(
        default=None, gt=0, description="CPUs a replica reserves, instead of the catalog's."
    )
    gpus: float | None = Field(
        default=None, ge=0, description="GPUs a replica reserves, instead of the catalog's."
    )
    ray_resources: dict[str, float] = Field(
        default_factory=dict,
        description="Custom Ray resources a replica needs, to place it on certain nodes.",
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict, description="vLLM AsyncEngineArgs by name, over those of the catalog."
    )
    simulate: UserPath | None = Field(
        default=None,
        description="Script of a simulated engine (YAML) instead of the model; development only.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "EngineSettings":
        if self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas must not be less than min_replicas")
        return self


class JudgeSettings(EngineSettings):
    """The judge's engine, and how the gateway calls it."""

    calls_in_flight: int = Field(
        default=8, ge=1, description="Calls one gateway replica has out at a time; further checks gather."
    )


class ShadowSettings(EngineSettings):
    """A candidate that judges a share of the same traffic without acting."""

    sample: float = Field(default=0.1, gt=0, le=1, description="Share of requests that it judges too.")
    checks_in_flight: int = Field(
        default=8, ge=1, description="Checks one gateway replica asks of it at a time; more are dropped."
    )
    timeout: float = Field(default=30, gt=0, le=600, description="Seconds it may take for a check.")
