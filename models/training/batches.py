"""Batches by tokens: memory grows with rows × longest row, so that is what is bounded."""

import random
from collections.abc import Sequence


def batches(lengths: Sequence[int], most_tokens: int, rng: random.Random | None = None) -> list[list[int]]:
    """Indices grouped so that rows × longest row ≤ `most_tokens` (a longer single row is a batch of its own).

    Rows of similar length meet, within windows of 2,000 rows, so that the order stays random at large. With
    `rng` the batches are shuffled.
    """
    result: list[list[int]] = []
    for start in range(0, len(lengths), 2000):
        window = sorted(
            range(start, min(start + 2000, len(lengths))), key=lambda index: (lengths[index], index)
        )
        current: list[int] = []
        for index in window:
            if current and lengths[index] * (len(current) + 1) > most_tokens:
                result.append(current)
                current = []
            current.append(index)
        if current:
            result.append(current)
    if rng is not None:
        rng.shuffle(result)
    return result
