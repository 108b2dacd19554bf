"""From labelled rows to the examples of an epoch, balanced as the recipe says."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.training.augment import embed, in_conversation, vary
from models.training.documents import compose_documents
from models.training.examples import Example, from_pair, from_row
from models.training.format import Kind
from models.training.groups import group_ids, held_out
from models.training.lexicon import compose, load_lexicon
from models.training.recipe import Recipe, RecipeError
from models.training.rows import Row, read_all
from models.training.shuffling import shuffler

SYSTEM_PROMPTS: tuple[str, ...] = tuple(
    json.loads((Path(__file__).parent / "passages" / "system-prompts.json").read_text(encoding="utf-8"))
)
_LARGE_FILE = 8000
_ROWS_OF_A_LARGE_FILE = 4000


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to train on, rows for development, and rows that only measure and calibrate.

    Pairs of answers stand apart, since they have no label: `pairs` to train on, `pairs_held_out` to measure.
    """

    train: tuple[Row, ...]
    development: tuple[Row, ...]
    measuring: tuple[Row, ...]
    pairs: tuple[Row, ...] = ()
    pairs_held_out: tuple[Row, ...] = ()


def data_files(folders: Iterable[Path]) -> list[Path]:
    """Every `*.jsonl` below the folders, in a stable order."""
    return [path for folder in folders for path in sorted(folder.glob("*.jsonl"))]


def split_rows(paths: Sequence[Path], recipe: Recipe) -> Split:
    """Read and split. Exact repetitions of a text of one kind are dropped, the first one stays."""
    rng = shuffler(recipe.split_seed)
    by_file: dict[str, list[Row]] = {}
    for row in read_all(paths):
        by_file.setdefault(row.file, []).append(row)
    rows: list[Row] = []
    measuring: list[Row] = []
    pairs: list[Row] = []
    seen: set[tuple[str, str, str]] = set()
    for file, members in by_file.items():
        if file in recipe.never_train:
            measuring += members
            continue
        pairs += [row for row in members if row.kind == "pair"]
        kept = members if len(members) <= _LARGE_FILE else _thinned(members, rng)
        for row in kept:
            key = (row.kind, row.prompt or "", row.text.strip().lower())
            if row.kind != "pair" and key not in seen:
                seen.add(key)
                rows.append(row)
    train, development = _parted(rows, recipe)
    pairs_to_train, pairs_held_out = _parted(pairs, recipe)
    return Split(train, development, tuple(measuring), pairs_to_train, pairs_held_out)


def _parted(rows: Sequence[Row], recipe: Recipe) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """What is trained on and what is held out, near-duplicates on the same side."""
    out = held_out(rows, group_ids(rows), recipe.held_out, recipe.split_seed)
    kept = tuple(row for row, is_out in zip(rows, out, strict=True) if not is_out)
    return kept, tuple(row for row, is_out in zip(rows, out, strict=True) if is_out)


def _thinned(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    """So many rows, halves by label where there are enough of each, so that no file outweighs all others."""
    kept: list[Row] = []
    for label in ("safe", "unsafe"):
        members = [row for row in rows if row.label == label]
        kept += rng.sample(members, min(len(members), _ROWS_OF_A_LARGE_FILE // 2))
    return kept


def epoch(split: Split, recipe: Recipe, number: int) -> list[Example]:
    """The examples of epoch `number`, drawn, varied and shuffled; the same for the same recipe and data."""
    rng = shuffler(recipe.seed, number)
    examples: list[Example] = []
    for share in recipe.mix:
        pool = [
            from_row(row)
            for row in split.train
            if row.file == share.file and share.label in (None, row.label) and share.lang in (None, row.lang)
        ]
        if not pool:
            raise RecipeError(
                f"mix: no training rows for {share.file} {share.label or ''} {share.lang or ''}"
            )
        examples += _draw(pool, share.rows, rng)
    for words in recipe.lexicons:
        lexicon = load_lexicon(words.name)
        surroundings = [
            row.text
            for row in split.train
            if row.label == "safe" and row.lang == lexicon.lang and from_row(row).kind is lexicon.kind
        ]
        examples += compose(lexicon, words.rows, words.beside, surroundings, rng)
    harmless: dict[tuple[Kind, str], list[Example]] = {}
    for example in examples:
        if not example.unsafe and len(example.text) < 300 and not example.context:
            harmless.setdefault((example.kind, example.lang), []).append(example)
    systems = (*SYSTEM_PROMPTS, *(e.context[0].text for e in examples if _has_system(e)))
    exchanges = [e for e in examples if e.kind is Kind.ANSWER and not e.unsafe and len(e.text) < 400]
    result = []
    for drawn in examples:
        example = drawn
        if example.kind is not Kind.TEXT and rng.random() < recipe.conversation:
            example = in_conversation(example, systems, exchanges, rng)
        around = harmless.get((example.kind, example.lang))
        if around and not example.context and len(example.text) < 300 and rng.random() < recipe.embedding:
            result.append(embed(example, around, rng))
        else:
            result.append(vary(example, rng, recipe.typing, recipe.truncation, recipe.as_text))
    if recipe.documents is not None:
        rows = [from_row(row) for row in split.train]
        result += compose_documents(rows, recipe.documents.rows, recipe.documents.hidden, rng)
    for wanted in recipe.pairs:
        pool = [from_pair(row) for row in split.pairs if row.file == wanted.file]
        if not pool:
            raise RecipeError(f"pairs: no training rows for {wanted.file}")
        result += _draw(pool, wanted.rows, rng)
    rng.shuffle(result)
    return result


def _has_system(example: Example) -> bool:
    return bool(example.context) and example.context[0].role == "system"


def _draw(pool: list[Example], count: int, rng: random.Random) -> list[Example]:
    drawn: list[Example] = []
    while len(drawn) < count:
        drawn += rng.sample(pool, min(len(pool), count - len(drawn)))
    return drawn
