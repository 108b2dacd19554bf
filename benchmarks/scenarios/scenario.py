"""Prompt sets: YAML files of questions, and the seeded order in which a run asks them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from benchmarks.errors import InvalidScenarioError

_BUILT_IN = Path(__file__).parent

Length = Literal["short", "long"]


class Prompt(BaseModel):
    """One question."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(description="Unique within its file; appears in the records.", pattern=r"^[a-z0-9-]+$")
    language: str = Field(description="BCP 47 tag; Moroccan Darija is `ary`.", pattern=r"^[a-z]{2,3}$")
    length: Length = Field(description="short: one question; long: a passage and a question about it.")
    text: str = Field(description="What the user says.", min_length=1, max_length=8_000)


class ScenarioFile(BaseModel):
    """A prompt set as a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(description="Names the set in reports.")
    what: str = Field(description="One line about it.")
    seed: int = Field(description="Seed of the order in which prompts are asked, unless the run gives one.")
    prompts: tuple[Prompt, ...] = Field(description="The questions.", min_length=1)


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The prompts of a run and the seed of their order."""

    name: str
    prompts: tuple[Prompt, ...]
    seed: int

    def at(self, scope: str, sequence: int) -> Prompt:
        """Prompt number `sequence` of a scope: shuffled passes over the set, all count equally."""
        turn, place = divmod(sequence, len(self.prompts))
        return self.prompts[_order(len(self.prompts), f"{self.seed}/{scope}/{turn}")[place]]


@cache
def _order(count: int, seed: str) -> list[int]:
    order = list(range(count))
    random.Random(seed).shuffle(order)  # noqa: S311  # a reproducible order is wanted, not a secret one
    return order


def read_length(text: str | None) -> Length | None:
    """`short`, `long` or nothing. Raises InvalidScenarioError."""
    match text:
        case None | "short" | "long":
            return text
        case _:
            raise InvalidScenarioError(f"prompts are short or long, not {text!r}")


def built_in() -> tuple[str, ...]:
    """Names of the prompt sets that come with Mizan."""
    return tuple(sorted(path.stem for path in _BUILT_IN.glob("*.yaml")))


def read_scenario(name: str) -> ScenarioFile:
    """A built-in set by name, or any file ending in .yaml by path. Raises InvalidScenarioError."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else _BUILT_IN / f"{name}.yaml"
    if path.parent == _BUILT_IN and name not in built_in():
        raise InvalidScenarioError(
            f"no prompt set {name!r}: there are {', '.join(built_in())}, or give a .yaml file"
        )
    try:
        return ScenarioFile.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except RecursionError as error:
        raise InvalidScenarioError(f"prompt set {name}: nested too deeply") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidScenarioError(f"prompt set {name}: {error}") from error


def load_prompts(names: Sequence[str], length: Length | None = None, seed: int | None = None) -> PromptSet:
    """The prompts of all named sets together, optionally of one length. Raises InvalidScenarioError."""
    files = [read_scenario(name) for name in (names or built_in())]
    prompts = tuple(p for file in files for p in file.prompts if length in (None, p.length))
    if not prompts:
        raise InvalidScenarioError(f"no {length} prompts in {', '.join(file.name for file in files)}")
    return PromptSet("+".join(file.name for file in files), prompts, files[0].seed if seed is None else seed)
