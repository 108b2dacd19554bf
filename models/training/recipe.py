"""A recipe: everything that decides what a training run produces. Its digest goes into the adapter."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from models.stated_error import StatedError
from models.training.yaml_model import Strict, read_model


class RecipeError(StatedError, ValueError):
    """A recipe is missing or wrong; the message names the field."""


class Share(Strict):
    """How many examples of one file (and label) an epoch draws; more than there are means repetition."""

    file: str
    label: Literal["safe", "unsafe"] | None = None
    lang: str | None = None
    rows: int = Field(ge=1)


class FromLexicon(Strict):
    """How many comments an epoch composes of a lexicon, half of them harmful."""

    name: str
    rows: int = Field(ge=2)
    beside: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Share that stands beside a harmless comment of the same language.",
    )


class FromDocuments(Strict):
    """How many windows of long texts an epoch composes, and what share of them hides something harmful."""

    rows: int = Field(ge=6)
    hidden: float = Field(default=0.5, ge=0, le=1)
    tokens: int = Field(default=340, ge=64, description="Longest window; `text_tokens` does not cut it.")


class Pairs(Strict):
    """Pairs of answers of which the one is known to be more harmful, and how much their order counts."""

    file: str
    rows: int = Field(ge=1)
    weight: float = Field(default=0.5, gt=0, description="Beside a labelled example's loss, which weighs 1.")


class Lora(Strict):
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    first_layer: int = Field(
        default=0, ge=0, description="Layers below this one stay as they are and cost no backward pass."
    )
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Recipe(Strict):
    """Sizes are in tokens where not said otherwise."""

    name: str
    seed: int = 17
    split_seed: int = Field(
        default=17, description="The same for every stage, or one trains on what another measures."
    )
    mix: tuple[Share, ...] = Field(min_length=1)
    lexicons: tuple[FromLexicon, ...] = ()
    documents: FromDocuments | None = None
    pairs: tuple[Pairs, ...] = ()
    hazard_weight: float = Field(
        default=0.0,
        ge=0,
        description="Weight of a second task: naming the hazard, by a head that is thrown away afterwards.",
    )
    never_train: tuple[str, ...] = Field(
        default=("omcd-eval-only-darija",), description="Files for thresholds and measuring only."
    )
    held_out: float = Field(
        default=0.08, gt=0, lt=0.5, description="Share of each file's groups kept for development."
    )
    epochs: int = Field(default=1, ge=1)
    batch_tokens: int = Field(default=1400, ge=64)
    text_tokens: int = Field(
        default=160, ge=16, description="Longest judged text or context turn in training."
    )
    learning_rate: float = Field(default=5e-4, gt=0)
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    label_smoothing: float = Field(default=0.02, ge=0, lt=0.5)
    mass_every: int = Field(
        default=4, ge=1, description="Every how many steps the labels' total mass is trained."
    )
    mass_weight: float = Field(default=0.1, ge=0)
    typing: float = Field(default=0.15, ge=0, le=1)
    truncation: float = Field(default=0.5, ge=0, le=1)
    as_text: float = Field(default=0.08, ge=0, le=1)
    embedding: float = Field(default=0.05, ge=0, le=1)
    conversation: float = Field(
        default=0.0, ge=0, le=1, description="Share of requests and answers put late in a conversation."
    )
    lora: Lora = Lora()
    begins_with_mean_of: int = Field(
        default=1, ge=1, description="Of so many stages before this one, where there are as many."
    )
    averaged_with: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=dict,
        description="Earlier stages, by name, and the share in the result of what they came to; the rest is "
        "what this stage is trained to.",
    )

    @model_validator(mode="after")
    def _own_share(self) -> Self:
        if sum(self.averaged_with.values()) >= 1:
            raise ValueError("averaged_with: the shares of earlier stages leave nothing for this one")
        return self

    @property
    def digest(self) -> str:
        """sha256 of all fields that decide a run's steps; one that a recipe leaves out and that came later
        does not count, nor does what happens before and after the run."""
        later = ("lexicons", "documents", "pairs", "hazard_weight")
        unused = {name for name in later if not getattr(self, name)}
        apart = {"begins_with_mean_of", "averaged_with"}
        return hashlib.sha256(self.model_dump_json(exclude=unused | apart).encode()).hexdigest()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from YAML. Raises RecipeError."""
    return read_model(Recipe, path, RecipeError)
