"""A policy: what is judged, at which stage, how strictly, and what happens on a violation."""

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from auth import strict_yaml
from models.stated_error import StatedError
from serving.judging.conversation import Stage
from serving.judging.hazard_rules import EVERY_STAGE, HazardRule, HazardRules, Probability
from serving.judging.hazards import Hazard

ENFORCED = (Stage.PROMPT, Stage.ANSWER, Stage.TOOL_CALL)
"""The stages that every policy must judge; free texts are judged where it says so."""

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]

Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
"""Neither text in quotes nor yes and no, which would be read as 1 and 0."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _visible(text: str) -> str:
    """A question that says something, and nothing that a terminal would act on."""
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise ValueError("must not be blank")
    if found := _CONTROL.search(text):
        raise ValueError(f"must not hold the control character {found.group()!r}")
    return text


class Mode(StrEnum):
    """`gate`: the whole answer is judged, then released. `window`: released as it is judged.
    `observe`: released at once and judged all the same, for onboarding."""

    GATE = "gate"
    WINDOW = "window"
    OBSERVE = "observe"


class Reasoning(StrEnum):
    """What becomes of a model's reasoning: `release` judges and releases it like the answer, `drop` does not
    judge it and never lets it out."""

    RELEASE = "release"
    DROP = "drop"


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class Repair(Strict):
    """How often, how long and with how many tokens a model is asked again."""

    attempts: Whole = Field(default=1, ge=1, le=5, description="Further attempts for each choice.")
    seconds: Number = Field(default=30.0, gt=0, le=600, description="Time for all of them together.")
    tokens: Whole = Field(default=1024, ge=1, le=65536, description="Tokens for all of them together.")


class Criterion(Strict):
    """One question that the judge is asked, in free text."""

    id: Identifier
    description: Annotated[str, AfterValidator(_visible)] = Field(
        max_length=4000, description="What violates, in the policy's words."
    )
    stages: tuple[Stage, ...] = Field(default=EVERY_STAGE, min_length=1)
    threshold: Probability | None = Field(
        default=None, description="Probability that flags; the judge's own default when absent."
    )


class Policy(Strict):
    """One tenant's rules. Its digest is over the parsed content, so that comments do not change it."""

    id: Identifier
    version: str = Field(
        max_length=64, pattern=r"^[!-~]([ -~]*[!-~])?$", description="Printable ASCII: a header."
    )
    mode: Mode = Mode.WINDOW
    action: Literal["refuse", "repair"] = "refuse"
    repair: Repair = Field(default_factory=Repair, description="Bounds of the action `repair`.")
    reasoning: Reasoning = Field(
        default=Reasoning.RELEASE,
        description="Whether a model's reasoning is judged and released, or dropped.",
    )
    first_window: Whole = Field(
        default=8, ge=1, le=4096, description="Tokens gathered before the first check."
    )
    least_window: Whole = Field(
        default=4, ge=1, le=4096, description="Tokens gathered, at least, before each further check."
    )
    window_growth: Number = Field(
        default=1.0,
        ge=0,
        le=8,
        description="A further check waits for this share of the tokens judged so far, up to `long_window`. "
        "Each check costs the judge the end of a cache block and the question again, whatever is new.",
    )
    long_window: Whole = Field(
        default=64, ge=1, le=4096, description="Tokens that growth makes a window wait for, at most."
    )
    hold_until: Whole = Field(
        default=128,
        ge=0,
        le=4096,
        description="Tokens of an answer up to which a flagged check does not end it while it goes on: "
        "nothing leaves, and all of it is judged again with what follows. A beginning is often misread.",
    )
    judge_timeout: Number = Field(default=20.0, gt=0, le=300, description="Seconds one judge call may take.")
    label_mass_floor: Number = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Least share of the judge's next-token probability its labels must hold.",
    )
    hazards: HazardRules = Field(
        default_factory=dict,
        description="Hazards by name or S-code; where a stage has none, all that the judge knows.",
    )
    criteria: tuple[Criterion, ...] = ()

    @model_validator(mode="after")
    def _unique_criteria(self) -> "Policy":
        ids = [criterion.id for criterion in self.criteria]
        if len(set(ids)) != len(ids):
            raise ValueError("criteria: each id may appear once")
        return self

    @model_validator(mode="after")
    def _every_stage_judged(self) -> "Policy":
        if not self.criteria and not self.hazards:
            raise ValueError("criteria or hazards must be there")
        judged = {stage for criterion in self.criteria for stage in criterion.stages}
        judged |= {
            stage
            for rule in self.hazards.values()
            if rule.blocks or not self.enforcing
            for stage in rule.stages
        }
        missing = sorted({*ENFORCED} - judged)
        if missing:
            raise ValueError(f"no criterion judges stage {', '.join(missing)}, and no hazard blocks there")
        return self

    @model_validator(mode="after")
    def _names_apart(self) -> "Policy":
        both = {criterion.id for criterion in self.criteria} & {hazard.value for hazard in self.hazards}
        if both:
            raise ValueError(f"criteria: {', '.join(sorted(both))} is among the hazards too")
        return self

    @property
    def enforcing(self) -> bool:
        return self.mode is not Mode.OBSERVE

    def window_after(self, judged: int) -> int:
        """Tokens to gather, at least, before the next check of an answer of which `judged` are covered."""
        return max(self.least_window, min(self.long_window, round(judged * self.window_growth)))

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def criteria_for(self, stage: Stage) -> tuple[Criterion, ...]:
        return tuple(criterion for criterion in self.criteria if stage in criterion.stages)

    def hazards_at(self, stage: Stage) -> dict[Hazard, HazardRule]:
        return {hazard: rule for hazard, rule in self.hazards.items() if stage in rule.stages}


class PolicyError(StatedError, ValueError):
    """A policy file is missing, unreadable or wrong; the message names the file and the field."""


def load_policy(path: Path) -> Policy:
    """Read one policy from a YAML file. Raises PolicyError."""
    try:
        content = strict_yaml.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(f"policy {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise PolicyError(f"policy {path}: not valid YAML: {error}") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"policy {path}: not in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise PolicyError(
            f"policy {path}: {'is empty' if content is None else 'must be a mapping of fields'}"
        )
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        raise PolicyError(f"policy {path}: {_sentence(error.errors()[0])}") from error


def load_policies(folder: Path) -> dict[str, Policy]:
    """Read every `*.yaml` of a folder, by policy id. Raises PolicyError; an id defined twice is an error."""
    policies: dict[str, Policy] = {}
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.yaml")):
        policy = load_policy(path)
        refuse_repeated_id(policy, path, files)
        policies[policy.id] = policy
    if not policies:
        raise PolicyError(f"no policies (*.yaml) in {folder}")
    return policies


def refuse_repeated_id(policy: Policy, path: Path, files: dict[str, Path]) -> None:
    """Note which of `files` defines the policy's id. Raises PolicyError where another one does already."""
    first = files.setdefault(policy.id, path)
    if first != path:
        raise PolicyError(f"policy {path}: id {policy.id!r} is defined twice, in {first} too")


def _sentence(problem: Mapping[str, Any]) -> str:
    """Field and fault. Names of fields come from the file and may be anything."""
    names = [str(part) for part in problem["loc"]] or ["policy"]
    field = ".".join(name if name.isprintable() else repr(name) for name in names)
    quotes = "; write it in quotes" if problem["type"] == "string_type" else ""
    return f"{field}: {str(problem['msg']).removeprefix('Value error, ')}{quotes}"
