"""A model that is ready to be served."""

from dataclasses import dataclass
from pathlib import Path

from models.entry import ModelEntry
from models.manifest import Manifest
from models.schema.engine import Accelerator, Resources


@dataclass(frozen=True)
class PreparedModel:
    """Folder, catalog entry and manifest of a model whose files have been checked."""

    path: Path
    entry: ModelEntry
    manifest: Manifest

    @property
    def digest(self) -> str:
        """sha256 over all files of the model (`Manifest.digest`); verdicts and audit records carry it."""
        return self.manifest.digest

    def engine_args(self, accelerator: Accelerator) -> dict[str, object]:
        """Keyword arguments for vLLM's AsyncEngineArgs on this accelerator."""
        named = {"model": str(self.path), "served_model_name": [self.entry.id]}
        return {**named, **self.entry.engine_args(accelerator)}

    def resources(self, accelerator: Accelerator) -> Resources:
        """What one replica reserves on this accelerator."""
        return self.entry.resources.cpu if accelerator == "cpu" else self.entry.resources.gpu
