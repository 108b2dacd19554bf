"""Scoring examples with a model in memory: log-odds of the unsafe label, and the labels' mass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from models.training.batches import batches
from models.training.network import last_hidden, output_weights


@dataclass(frozen=True, slots=True)
class Score:
    """`logit` is log p(unsafe label) - log p(safe label); `mass` the share of the vocabulary both hold;
    `pieces` how many the text was read in."""

    logit: float
    mass: float
    pieces: int = 1


def worst(pieces: Sequence[Score]) -> Score:
    """What counts of a text's pieces: the highest log-odds, the least mass."""
    return Score(max(piece.logit for piece in pieces), min(piece.mass for piece in pieces), len(pieces))


def score(
    model: Any, encoded: Sequence[Sequence[int]], labels: tuple[int, int], batch_tokens: int = 2000
) -> list[Score]:
    """Scores in the order of `encoded`."""
    with torch.inference_mode():
        return _score(model, encoded, labels, batch_tokens)


def _score(
    model: Any, encoded: Sequence[Sequence[int]], labels: tuple[int, int], batch_tokens: int
) -> list[Score]:
    model.eval()
    weights = output_weights(model)
    results: list[Score] = [Score(0.0, 0.0)] * len(encoded)
    for batch in batches([len(ids) for ids in encoded], batch_tokens):
        states = last_hidden(model, [encoded[index] for index in batch])
        logprobs = (states @ weights.T).float().log_softmax(dim=-1)[:, list(labels)]
        for index, (unsafe, safe) in zip(batch, logprobs.tolist(), strict=True):
            mass = float(torch.tensor([unsafe, safe]).exp().sum())
            results[index] = Score(unsafe - safe, mass)
    return results
