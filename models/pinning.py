"""Fixing an entry's files by digest, from what its source delivers now."""

from pathlib import Path

import yaml

from models.entry import ModelEntry
from models.errors import CatalogError
from models.locate import adopt
from models.manifest import Manifest
from models.prepare import prepare
from models.prepared import PreparedModel
from models.progress import Progress
from models.schema.origin import Artefact, HubSource
from models.settings import ModelsSettings
from models.sources import hub


def pin(entry: ModelEntry, settings: ModelsSettings, progress: Progress) -> tuple[PreparedModel, Path]:
    """Prepare an entry and write its pinned form into `settings.catalog_dir`.

    A hub revision is resolved to its commit first. Trust on first use: whoever runs this vouches for
    the files, so review the written entry before production uses it.

    Returns:
        The prepared model and the file written.

    Raises:
        CatalogError: no catalog_dir is set.
        Every error of `prepare`.
    """
    if settings.catalog_dir is None:
        raise CatalogError("models.catalog_dir must be set: the pinned entry is written there")
    source = entry.source
    if isinstance(source, HubSource):
        source = source.model_copy(update={"revision": hub.resolve_commit(source, settings)})
    candidate = entry.model_copy(update={"source": source})
    lenient = settings.model_copy(update={"production": False})
    first = prepare(candidate, lenient, progress)
    pinned = candidate.model_copy(update={"artefacts": entry.artefacts or _artefacts(first.manifest)})
    settings.catalog_dir.mkdir(parents=True, exist_ok=True)
    file = settings.catalog_dir / f"{entry.id}.yaml"
    document = pinned.model_dump(mode="json", exclude_defaults=True)
    file.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return adopt(pinned, lenient, progress), file


def _artefacts(manifest: Manifest) -> tuple[Artefact, ...]:
    return tuple(
        Artefact(path=record.path, sha256=record.sha256, size=record.size) for record in manifest.files
    )
