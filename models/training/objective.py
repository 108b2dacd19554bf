"""What training minimises: the right label, the order of a pair, and, as a second task, the hazard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy, softplus

from models.training.hazards import HAZARDS
from models.training.network import output_weights
from models.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Item:
    """One encoded example; `target` is 0 where the unsafe label is right, 1 where the safe one is.

    `hazard` is an index into HAZARDS, -1 where it is not known. An item of a pair holds the better answer's
    prompt in `better`, and counts by `weight`.
    """

    ids: tuple[int, ...]
    target: int
    hazard: int = -1
    better: tuple[int, ...] | None = None
    weight: float = 1.0

    @property
    def sequences(self) -> tuple[tuple[int, ...], ...]:
        return (self.ids,) if self.better is None else (self.ids, self.better)

    @property
    def tokens(self) -> int:
        """What it costs a batch: tokens of both sequences, padded to the longer one."""
        return len(self.sequences) * max(map(len, self.sequences))


def hazard_head(model: Any) -> torch.nn.Linear:
    """A fresh head, width of the model × hazards, of the model's type."""
    weights = output_weights(model)
    return torch.nn.Linear(weights.shape[1], len(HAZARDS), dtype=weights.dtype)


def losses(
    items: Sequence[Item],
    states: torch.Tensor,
    logits: torch.Tensor,
    *,
    head: torch.nn.Linear | None,
    recipe: Recipe,
    usual: float,
) -> torch.Tensor:
    """The loss of a batch: the mean over its labelled items, and what its pairs weigh beside them.

    `states` (sequences × width) and `logits` (sequences × 2, unsafe first) are those of the items' sequences
    in order, so that an item of a pair has two rows. Pairs are long, so that few fill a batch; `usual` is the
    number of items in a batch by and large, of which a pair counts as one, by its weight.
    """
    first: list[int] = []
    rows = 0
    for item in items:
        first.append(rows)
        rows += len(item.sequences)
    labelled = [index for index, item in enumerate(items) if item.better is None]
    paired = [index for index, item in enumerate(items) if item.better is not None]
    total = logits.new_zeros(())
    if labelled:
        at = [first[index] for index in labelled]
        targets = torch.tensor([items[index].target for index in labelled])
        total = total + cross_entropy(
            logits[at], targets, label_smoothing=recipe.label_smoothing, reduction="sum"
        ) / len(labelled)
    if paired:
        odds = logits[:, 0] - logits[:, 1]
        at = torch.tensor([first[index] for index in paired])
        weights = torch.tensor([items[index].weight for index in paired])
        total = total + (weights * softplus(odds[at + 1] - odds[at])).sum() / usual
    named = [index for index in labelled if items[index].hazard >= 0]
    if head is not None and named:
        hazards = torch.tensor([items[index].hazard for index in named])
        guesses = head(states[[first[index] for index in named]]).float()
        total = total + recipe.hazard_weight * cross_entropy(guesses, hazards, reduction="sum") / len(
            labelled
        )
    return total
