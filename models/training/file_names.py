"""Names for files of which several may be called the same."""

import os
from collections.abc import Sequence
from pathlib import Path


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The shortest end of each path that no other one has: `x.jsonl`, or `A/x.jsonl` beside `B/x.jsonl`."""
    parts = [Path(os.path.abspath(path)).parts for path in paths]  # noqa: PTH100 - resolve() follows links
    return [str(Path(*own[-_length(own, {*parts} - {own}) :])) for own in parts]


def stems(names: Sequence[str]) -> list[str]:
    """The names without their suffixes; with them where two would be the same."""
    short = [str(Path(name).with_suffix("")) for name in names]
    return [stem if short.count(stem) == 1 else name for name, stem in zip(names, short, strict=True)]


def _length(own: tuple[str, ...], others: set[tuple[str, ...]]) -> int:
    for length in range(1, len(own)):
        if all(other[-length:] != own[-length:] for other in others):
            return length
    return len(own)
