"""Finding prepared models in the cache again, intact. Nothing here fetches anything."""

from pathlib import Path

from models.cache import ModelCache
from models.entry import ModelEntry
from models.errors import Corrupted, UnpinnedModel
from models.manifest import Manifest, check_files, check_fingerprint
from models.prepared import PreparedModel
from models.progress import Progress
from models.settings import ModelsSettings


def locate(entry: ModelEntry, settings: ModelsSettings) -> PreparedModel:
    """The prepared model, checked as `settings.start_check` says; never downloads.

    Raises:
        NotPrepared: absent, or made from another state of the entry.
        Corrupted: some file differs from the manifest.
        UnpinnedModel: production mode and the entry does not fix its files.
    """
    require_pins(entry, settings)
    return checked(entry, ModelCache(entry, settings).prepared, full=settings.start_check == "full")


def verify(entry: ModelEntry, settings: ModelsSettings) -> PreparedModel:
    """The prepared model after hashing every file.

    Raises:
        NotPrepared, Corrupted: as `locate`.
    """
    return checked(entry, ModelCache(entry, settings).prepared, full=True)


def inspect(entry: ModelEntry, settings: ModelsSettings) -> PreparedModel:
    """The prepared model after the quick check, whatever `settings.start_check` says; for listings.

    Raises:
        NotPrepared, Corrupted: as `locate`.
    """
    return checked(entry, ModelCache(entry, settings).prepared, full=False)


def adopt(entry: ModelEntry, settings: ModelsSettings, progress: Progress) -> PreparedModel:
    """Let a prepared model count for a newer state of its entry whose pins its files satisfy.

    Raises:
        Corrupted: the files are not those the entry pins.
        NotPrepared: nothing is prepared.
    """
    cache = ModelCache(entry, settings)
    with cache.locked(progress):
        manifest = Manifest.read(cache.prepared)
        delivered = manifest.source_digests
        for artefact in entry.artefacts:
            if delivered.get(artefact.path) != artefact.sha256:
                raise Corrupted(f"{entry.id}: the prepared {artefact.path} is not the pinned one")
        manifest = manifest.model_copy(update={"fingerprint": entry.fingerprint, "lineage": entry.lineage})
        manifest.write(cache.prepared)
    return PreparedModel(manifest.root or cache.prepared, entry, manifest)


def require_pins(entry: ModelEntry, settings: ModelsSettings) -> None:
    """Raise UnpinnedModel in production mode where the entry does not fix its files."""
    if settings.production and not entry.pinned:
        raise UnpinnedModel(
            f"{entry.id} does not fix its files by digest, which production mode demands: "
            f"run `mizan models prepare --pin {entry.id}` and review what it writes"
        )


def checked(entry: ModelEntry, folder: Path, *, full: bool) -> PreparedModel:
    """The prepared model in a folder, every file hashed or only what looks changed. Raises as `locate`."""
    manifest = Manifest.read(folder)
    check_fingerprint(manifest, entry)
    root = manifest.root or folder
    check_files(manifest, root, full=full)
    return PreparedModel(root, entry, manifest)
