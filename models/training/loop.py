"""The training loop: deterministic order, fp32 master weights, checkpoints that a killed run resumes from."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.training.batches import batches
from models.training.network import last_hidden, output_weights
from models.training.objective import Item, hazard_head, losses
from models.training.recipe import Recipe
from models.training.shuffling import shuffler

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; `loss` is a running mean."""

    step: int
    steps: int
    loss: float
    mass: float
    tokens_per_second: float


class Masters:
    """fp32 copies of bfloat16 parameters for the optimizer: small updates would vanish in bfloat16."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], learning_rate: float, decay: float) -> None:
        self.parameters = list(parameters)
        self.copies = [torch.nn.Parameter(p.detach().float().clone()) for p in self.parameters]
        self.optimizer = torch.optim.AdamW(
            self.copies, lr=learning_rate, weight_decay=decay, betas=(0.9, 0.98)
        )

    def step(self, learning_rate: float, clip: float) -> None:
        for copy, parameter in zip(self.copies, self.parameters, strict=True):
            copy.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(self.copies, clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.write_back()

    def write_back(self) -> None:
        with torch.no_grad():
            for copy, parameter in zip(self.copies, self.parameters, strict=True):
                parameter.copy_(copy)

    def state(self) -> dict[str, Any]:
        return {"copies": [c.data for c in self.copies], "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        for copy, saved in zip(self.copies, state["copies"], strict=True):
            copy.data.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.write_back()


def schedule(step: int, steps: int, peak: float, warmup: float, spent: float = 0.0) -> float:
    """Linear warm-up, then a cosine to a twentieth of the peak.

    `spent` is the share of a time budget that is used up: where the machine is too slow for all steps, the
    rate falls with the time instead.
    """
    rising = max(1, round(steps * warmup))
    if step < rising:
        return peak * (step + 1) / rising
    share = min(1.0, max((step - rising) / max(1, steps - rising), spent))
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))


def run(
    model: Any,
    *,
    epochs: Sequence[Sequence[Item]],
    labels: tuple[int, int],
    recipe: Recipe,
    run_folder: Path,
    report: Callable[[Progress], None],
    minutes: float = math.inf,
) -> int:
    """Train in place for all steps, or as many as fit into `minutes`; returns how many that were.

    A checkpoint of the same recipe in `run_folder` is continued.
    """
    plan = [
        (epoch, batch)
        for epoch, items in enumerate(epochs)
        for batch in batches(
            [item.tokens for item in items], recipe.batch_tokens, shuffler(recipe.seed, epoch)
        )
    ]
    usual = sum(map(len, epochs)) / max(1, len(plan))
    head = hazard_head(model) if recipe.hazard_weight else None
    masters = Masters(_trained(model, head), recipe.learning_rate, recipe.weight_decay)
    checkpoint = run_folder / CHECKPOINT
    first = _resume(checkpoint, masters, recipe)
    vocabulary = output_weights(model)
    both = vocabulary[list(labels)].detach()
    loss_mean = mass_mean = 0.0
    model.train()
    started, seen = time.monotonic(), 0
    with (run_folder / "log.jsonl").open("a", encoding="utf-8", buffering=1) as log:
        for step in range(first, len(plan)):
            epoch, batch = plan[step]
            items = [epochs[epoch][index] for index in batch]
            states = last_hidden(model, [ids for item in items for ids in item.sequences])
            logits = (states @ both.T).float()
            loss = losses(items, states, logits, head=head, recipe=recipe, usual=usual)
            value = float(loss.detach())
            if recipe.mass_weight and step % recipe.mass_every == 0:
                everything = (states @ vocabulary.T).float().logsumexp(dim=-1)
                missing = (everything - logits.logsumexp(dim=-1)).mean()
                mass_mean = math.exp(-float(missing.detach()))
                loss = loss + recipe.mass_weight * recipe.mass_every * missing
            loss.backward()
            spent = (time.monotonic() - started) / 60 / minutes
            rate = schedule(step, len(plan), recipe.learning_rate, recipe.warmup, spent)
            masters.step(rate, recipe.clip)
            seen += sum(item.tokens for item in items)
            loss_mean = value if step == first else 0.97 * loss_mean + 0.03 * value
            speed = seen / (time.monotonic() - started)
            progress = Progress(step + 1, len(plan), loss_mean, mass_mean, speed)
            report(progress)
            log.write(json.dumps({"step": step + 1, "loss": value, "mass": mass_mean, "rate": rate}) + "\n")
            if (step + 1) % 40 == 0 or step + 1 == len(plan) or spent >= 1:
                _save(checkpoint, masters, recipe, step + 1)
            if spent >= 1:
                return step + 1
    return len(plan)


def _trained(model: Any, head: torch.nn.Linear | None) -> list[torch.nn.Parameter]:
    own = [] if head is None else list(head.parameters())
    return [p for p in model.parameters() if p.requires_grad] + own


def restore(model: Any, recipe: Recipe, run_folder: Path) -> int:
    """Put a run's last checkpoint into the model; returns the steps done, 0 without a checkpoint."""
    path = run_folder / CHECKPOINT
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    masters = Masters(_trained(model, hazard_head(model) if recipe.hazard_weight else None), 0.0, 0.0)
    masters.load(saved["masters"])
    return int(saved["step"])


def _save(path: Path, masters: Masters, recipe: Recipe, step: int) -> None:
    partial = path.with_suffix(".partial")
    torch.save({"recipe": recipe.digest, "step": step, "masters": masters.state()}, partial)
    partial.replace(path)


def _resume(path: Path, masters: Masters, recipe: Recipe) -> int:
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    if saved["recipe"] != recipe.digest:
        return 0
    masters.load(saved["masters"])
    return int(saved["step"])
