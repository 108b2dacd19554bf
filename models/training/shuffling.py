"""Reproducible randomness: one generator for each purpose, from the recipe's seed."""

import random


def shuffler(*purpose: object) -> random.Random:
    """A generator that depends on `purpose` alone, a seed among it."""
    return random.Random(":".join(map(str, purpose)))  # noqa: S311 - shuffles training rows, guards nothing
