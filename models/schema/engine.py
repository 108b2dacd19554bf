"""How a model is served: arguments of its engine, and what a replica reserves."""

from typing import Literal

from pydantic import Field

from models.schema.strict import Strict

Accelerator = Literal["cpu", "gpu"]
EngineValue = str | int | float | bool | None | list[str] | dict[str, int | bool | str]


class EngineArguments(Strict):
    """Arguments of vLLM's AsyncEngineArgs by their own names."""

    common: dict[str, EngineValue] = Field(default_factory=dict)
    cpu: dict[str, EngineValue] = Field(default_factory=dict)
    gpu: dict[str, EngineValue] = Field(default_factory=dict)


class Resources(Strict):
    """What one replica reserves in the Ray cluster."""

    cpus: float = Field(gt=0)
    gpus: float = Field(default=0, ge=0)


class ReplicaResources(Strict):
    """Reservation of one replica by accelerator."""

    cpu: Resources
    gpu: Resources
