"""Bringing delivered weights into the form that is served."""

import os
import shutil
from importlib.metadata import version
from pathlib import Path

from models import child_process
from models.entry import ModelEntry
from models.errors import ConversionFailed, NotEnoughSpace
from models.progress import Progress
from models.schema.conversion import GgufConversion

CONVERTER_REVISION = "1"


def convert(
    entry: ModelEntry, conversion: GgufConversion, delivered: Path, into: Path, progress: Progress
) -> dict[str, str]:
    """Write safetensors, configuration and tokenizer into `into`; other artefacts travel along.

    Runs in a child process, so that its memory is given back and a crash stays its own.

    Returns:
        Versions of the converter's parts, for the manifest.

    Raises:
        ConversionFailed: the child failed; the text carries its last words.
        NotEnoughSpace: the disk filled up.
    """
    log = delivered / "conversion.log"
    with progress.stage(f"{entry.id}: convert to safetensors"):
        outcome = child_process.run(
            [
                "-m",
                "models.gguf_conversion",
                str(delivered / conversion.artefact),
                str(into),
                conversion.model_dump_json(),
            ],
            log=log,
            extra_env={
                "HF_HUB_OFFLINE": "1",
                "TRANSFORMERS_VERBOSITY": "error",
                "TQDM_DISABLE": "1",
                "DO_NOT_TRACK": "1",
                "OMP_NUM_THREADS": str(min(4, os.cpu_count() or 1)),
            },
        )
    if outcome.disk_full:
        raise NotEnoughSpace(f"the disk filled up while converting {entry.id}")
    if outcome.returncode != 0:
        raise ConversionFailed(
            f"{entry.id}: the converter ended with {outcome.returncode}: {outcome.last_line}"
        )
    for artefact in entry.artefacts:
        if artefact.path != conversion.artefact:
            target = into / artefact.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(delivered / artefact.path, target)
    parts = ("torch", "transformers", "tokenizers", "gguf", "safetensors")
    return {"models.gguf_conversion": CONVERTER_REVISION, **{name: version(name) for name in parts}}
