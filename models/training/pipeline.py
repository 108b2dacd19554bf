"""One run from data to adapter: split, train, export, score the development split."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from models.training.calibrate import MOST_ALARMS_IN
from models.training.documents import COMPOSED, compose_documents, is_after
from models.training.encode import encode_parts, encode_pieces, label_ids
from models.training.examples import Example, from_row
from models.training.export import CONFIG, RECORD, export_adapter, load_weights, record_of
from models.training.format import LONGEST
from models.training.hazards import HAZARDS
from models.training.lexicon import lexicon_file
from models.training.loop import Progress, restore, run
from models.training.mix import Split, data_files, epoch, split_rows
from models.training.network import compile_layers, load_base, with_lora
from models.training.objective import Item
from models.training.recipe import Lora, Recipe
from models.training.rows import Row, digests
from models.training.scoring import Score, score, worst
from models.training.shuffling import shuffler

LONG_ROWS = 600
LONG_PIECES = 3
"""How many long texts of how many pieces at most are made for development, half of them harmful somewhere."""

LONG_TEXTS = "long-texts"
AFTER_LONG = "after-long-texts"
"""What those rows are called, and those whose judged text is short and only follows on a long one."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a run reads and writes. `base` is the folder of the base model's weights."""

    base: Path
    data: tuple[Path, ...]
    run: Path


def items(tokenizer: Any, examples: Sequence[Example], recipe: Recipe) -> list[Item]:
    """The encoded examples of an epoch."""
    weights = {pairs.file: pairs.weight for pairs in recipe.pairs}
    result = []
    for example in examples:
        better = example.better_parts()
        whole = recipe.documents if COMPOSED in example.augmented else None
        limit = recipe.text_tokens if whole is None else whole.tokens
        result.append(
            Item(
                ids=tuple(encode_parts(tokenizer, example.parts(), limit)),
                target=0 if example.unsafe else 1,
                hazard=-1 if example.hazard is None else HAZARDS.index(example.hazard),
                better=None if better is None else tuple(encode_parts(tokenizer, better, recipe.text_tokens)),
                weight=1.0 if better is None else weights[example.file],
            )
        )
    return result


def describe(
    split: Split, recipe: Recipe, epochs: Sequence[Sequence[Item]], files: Sequence[Path]
) -> dict[str, Any]:
    """What went into a run, for its records."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "recipe_digest": recipe.digest,
        "data": digests(files),
        "rows": {
            "train": len(split.train),
            "development": len(split.development),
            "measuring": len(split.measuring),
        },
        "examples": [len(items) for items in epochs],
        "tokens": [sum(len(ids) for item in items for ids in item.sequences) for items in epochs],
    }


def train(
    paths: Paths,
    recipe: Recipe,
    report: Callable[[Progress], None],
    *,
    compiled: bool,
    start_from: Path | None = None,
    minutes: float = math.inf,
) -> Path:
    """Train and export; returns the folder of the adapter. Continues a killed run of the same
    recipe; a finished run is left as it is.

    `start_from` is the folder of an adapter of the same shape to begin with instead of a fresh one.
    """
    adapter = paths.run / "adapter"
    if (adapter / RECORD).exists():
        return adapter
    paths.run.mkdir(parents=True, exist_ok=True)
    files = data_files(paths.data)
    split = split_rows(files, recipe)
    files += [lexicon_file(wanted.name) for wanted in recipe.lexicons]
    tokenizer = AutoTokenizer.from_pretrained(paths.base, local_files_only=True)
    labels = label_ids(tokenizer)
    epochs = [items(tokenizer, epoch(split, recipe, number), recipe) for number in range(recipe.epochs)]
    record = describe(split, recipe, epochs, files)
    if start_from is not None:
        record["started_from"] = record_of(start_from)
    (paths.run / "run.json").write_text(json.dumps(record, indent=1), encoding="utf-8")

    torch.manual_seed(recipe.seed)
    model = with_lora(load_base(paths.base), recipe.lora)
    if start_from is not None:
        load_weights(model, start_from)
    if compiled:
        compile_layers(model)
    steps = run(
        model,
        epochs=epochs,
        labels=labels,
        recipe=recipe,
        run_folder=paths.run,
        report=report,
        minutes=minutes,
    )
    export_adapter(model, adapter, {**record, "steps": steps})
    return adapter


def export_checkpoint(paths: Paths, recipe: Recipe) -> int:
    """Export the adapter as it stands in a run's last checkpoint; returns the steps done."""
    model = with_lora(load_base(paths.base), recipe.lora)
    steps = restore(model, recipe, paths.run)
    record = json.loads((paths.run / "run.json").read_text(encoding="utf-8"))
    export_adapter(model, paths.run / "adapter", {**record, "steps": steps})
    return steps


def development(split: Split, recipe: Recipe, most: int) -> list[Example]:
    """The development split and the rows that are only measured, at most so many of each file, language and
    label, or all of a file that bounds a threshold: the first in a fixed shuffled order. Last come long texts
    made of the development split."""
    rows = [row for row in (*split.development, *split.measuring) if row.kind != "pair"]
    shuffler(recipe.split_seed, "development").shuffle(rows)
    kept: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        kept.setdefault((row.file, row.lang, row.label), []).append(row)
    short = [
        from_row(row)
        for (file, _, _), members in kept.items()
        for row in (members if file in MOST_ALARMS_IN else members[:most])
    ]
    held_out = [from_row(row) for row in split.development if row.kind != "pair"]
    rng = shuffler(recipe.split_seed, "long texts")
    long = compose_documents(held_out, LONG_ROWS, 0.5, rng, pieces=LONG_PIECES)
    return short + [
        replace(example, file=AFTER_LONG if is_after(example) else LONG_TEXTS) for example in long
    ]


def score_adapter(paths: Paths, adapter: Path | None, examples: Sequence[Example]) -> list[Score]:
    """Scores of the base model with an adapter, or without one; of a long text that of its worst piece."""
    tokenizer = AutoTokenizer.from_pretrained(paths.base, local_files_only=True)
    model: Any = load_base(paths.base)
    if adapter is not None:
        shape = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
        lora = Lora(rank=shape["r"], alpha=shape["lora_alpha"], first_layer=min(shape["layers_to_transform"]))
        model = with_lora(model, lora)
        load_weights(model, adapter)
        model = model.merge_and_unload()
    pieces = [encode_pieces(tokenizer, example.parts(), LONGEST) for example in examples]
    scores = iter(score(model, [ids for prompts in pieces for ids in prompts], label_ids(tokenizer)))
    return [worst([next(scores) for _ in prompts]) for prompts in pieces]
