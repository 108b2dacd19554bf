"""Which weights to judge with: an entry of the catalog, or a folder with a model that none describes."""

import json
from pathlib import Path

from models.catalog import Catalog
from models.entry import ModelEntry
from models.locate import inspect
from models.settings import ModelsSettings
from serving.judging.evaluation.backends import JudgeModel, UnusableJudge

_ENGINE = {
    "dtype": "bfloat16",
    "enforce_eager": True,
    "block_size": 32,
    "kv_cache_memory_bytes": 512 << 20,
    "max_num_seqs": 16,
    "enable_prefix_caching": True,
}
"""Arguments of a folder's engine, on CPUs."""


def of_catalog(entry: ModelEntry, family: str, settings: ModelsSettings) -> JudgeModel:
    """A prepared model as it is served; `family` is that of a model that is no judge. Raises ModelError."""
    prepared = inspect(entry, settings)
    return JudgeModel(
        id=entry.id,
        folder=prepared.path,
        family=entry.family or family,
        digest=prepared.digest,
        lineage=entry.lineage,
        arguments=dict(prepared.engine_args("cpu")),
    )


def of_folder(folder: Path, family: str, catalog: Catalog) -> JudgeModel:
    """A model with the context that a judge of its family is served with, and no more than its own.

    Where the catalog has none of that family, the default judge's context. Raises UnusableJudge.
    """
    judges = [entry for entry in (*catalog, *catalog.embedded) if entry.role == "judge"]
    served = next((entry for entry in judges if entry.family == family), judges[-1])
    length = int(str(served.engine_args("cpu")["max_model_len"]))
    own = _context(folder / "config.json")
    arguments = {
        "model": str(folder),
        "served_model_name": [folder.name],
        "max_model_len": length if own is None else min(length, own),
    }
    return JudgeModel(folder.name, folder, family, "", (), {**arguments, **_ENGINE})


def _context(file: Path) -> int | None:
    """Tokens that a model's configuration claims for it."""
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        claimed = {**config, **config.get("text_config", {})}.get("max_position_embeddings")
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UnusableJudge(f"{file}: not the configuration of a model") from error
    return claimed if isinstance(claimed, int) and claimed > 0 else None
