"""Near-duplicate groups, so that a development split shares no template with the training rows."""

import hashlib
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from models.training.rows import Row

SIMILARITY = 0.5
"""Jaccard similarity of word sets from which two texts count as the same template."""


_WORD = r"(?u)\w+"


def group_ids(rows: Sequence[Row]) -> list[int]:
    """A group number for each row: connected components of texts of one language with similar word sets.

    The words of an answer's prompt do not count, but answers to the same prompt belong together.
    """
    parent = list(range(len(rows)))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def union(one: int, other: int) -> None:
        first, second = sorted((find(one), find(other)))
        parent[second] = first

    for one, other in (*_similar_pairs(rows), *_same_prompt(rows)):
        union(one, other)
    return [find(index) for index in range(len(rows))]


def held_out(rows: Sequence[Row], groups: Sequence[int], share: float, seed: int) -> list[bool]:
    """True for the rows of the development split: about `share` of every file, by whole groups.

    Large groups stay in training, so that a file's share is not one template.
    """
    sizes: dict[int, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    result = []
    for group in groups:
        key = f"{seed}:{rows[group].id}:{rows[group].text}"
        draw = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
        result.append(draw < share and sizes[group] <= 60)
    return result


def _similar_pairs(rows: Sequence[Row]) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for lang in sorted({row.lang for row in rows}):
        members = [index for index, row in enumerate(rows) if row.lang == lang]
        vectorizer = CountVectorizer(binary=True, token_pattern=_WORD, dtype=np.int32)
        try:
            words = vectorizer.fit_transform([rows[index].text for index in members])
        except ValueError:
            continue  # not one word in this language's rows
        sizes = np.asarray(words.sum(axis=1)).ravel()
        transposed = words.T.tocsr()
        for start in range(0, len(members), 512):
            shared = (words[start : start + 512] @ transposed).tocoo()
            union = sizes[shared.row + start] + sizes[shared.col] - shared.data
            near = (shared.data >= SIMILARITY * union) & (shared.row + start < shared.col)
            pairs += [
                (members[int(i) + start], members[int(j)])
                for i, j in zip(shared.row[near], shared.col[near], strict=True)
            ]
    return pairs


def _same_prompt(rows: Sequence[Row]) -> list[tuple[int, int]]:
    first: dict[tuple[str, str], int] = {}
    pairs = []
    for index, row in enumerate(rows):
        if row.kind == "prompt":
            asked = row.text
        elif row.kind in ("response", "pair") and row.prompt:
            asked = row.prompt
        else:
            continue
        seen = first.setdefault((row.lang, asked.strip().lower()), index)
        if seen != index:
            pairs.append((seen, index))
    return pairs
