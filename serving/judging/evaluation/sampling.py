"""A smaller, still representative set of rows."""

from collections.abc import Sequence

from models.training.rows import Row
from models.training.shuffling import shuffler


def sample(rows: Sequence[Row], most: int, seed: int = 0) -> list[Row]:
    """At most `most` rows of each file and label, the same ones every time; all of them for 0."""
    labelled = [row for row in rows if row.kind != "pair"]
    if most <= 0:
        return labelled
    shuffler(seed, "evaluation").shuffle(labelled)
    kept: dict[tuple[str, str], list[Row]] = {}
    for row in labelled:
        kept.setdefault((row.file, row.label), []).append(row)
    return [row for key in sorted(kept) for row in kept[key][:most]]
