"""Repositories on the Hugging Face hub, a mirror of it, or its local cache."""

import shutil
from pathlib import Path

from models.entry import ModelEntry
from models.errors import NotEnoughSpace, SourceError
from models.progress import Progress, growing
from models.schema.origin import HubSource
from models.settings import ModelsSettings


def resolve_commit(source: HubSource, settings: ModelsSettings) -> str:
    """The commit a revision stands for now.

    Raises:
        SourceError: unknown repository or revision, no access, or offline.
    """
    from huggingface_hub import HfApi  # noqa: PLC0415 - half a second that most commands save
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled  # noqa: PLC0415 - half a second that most commands save

    if settings.offline:
        raise SourceError(f"{source.repo}@{source.revision} cannot be pinned offline")
    try:
        info = HfApi(endpoint=settings.hub_endpoint, token=_token(settings)).model_info(
            source.repo, revision=source.revision
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        raise SourceError(f"{source.repo}@{source.revision}: {_first_line(error)}") from error
    if not info.sha:
        raise SourceError(f"{source.repo}@{source.revision}: the hub names no commit")
    return info.sha


def fetch(
    entry: ModelEntry,
    source: HubSource,
    *,
    downloads: Path,
    into: Path,
    settings: ModelsSettings,
    progress: Progress,
) -> None:
    """Put the allowed files of the repository into `into`.

    Online, finished files stay in `downloads` and partial ones are continued. Offline, the files come
    from the machine's Hugging Face cache.  # noqa: PLC0415 - half a second that most commands save

    Raises:
        SourceError: not to be had; the text carries the hub's reason.
        NotEnoughSpace: the disk filled up.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - half a second that most commands save
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled  # noqa: PLC0415 - half a second that most commands save
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415 - half a second that most commands save

    disable_progress_bars()
    local = downloads / f"{source.repo.replace('/', '--')}@{source.revision}"
    try:
        with (
            progress.stage(f"{entry.id}: download", entry.download_bytes or None) as stage,
            growing(local, stage),
        ):
            snapshot = snapshot_download(
                source.repo,
                revision=source.revision,
                allow_patterns=list(source.allow),
                local_dir=None if settings.offline else local,
                local_files_only=settings.offline,
                endpoint=settings.hub_endpoint,
                token=_token(settings),
            )
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, ValueError) as error:
        raise SourceError(f"{source.repo}@{source.revision}: {_first_line(error)}") from error
    except OSError as error:
        if error.errno == 28:
            raise NotEnoughSpace(f"the disk filled up while downloading {source.repo}") from error
        raise SourceError(f"{source.repo}@{source.revision}: {_first_line(error)}") from error
    with progress.stage(f"{entry.id}: copy"):
        _copy(Path(str(snapshot)), into)


def _copy(snapshot: Path, into: Path) -> None:
    for file in sorted(snapshot.rglob("*")):
        relative = file.relative_to(snapshot)
        if not file.is_file() or relative.parts[0] == ".cache":
            continue
        target = into / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        # A copy, not a link: the hub's cache may be cleaned or changed by others at any time.
        shutil.copyfile(file, target)


def _token(settings: ModelsSettings) -> str | None:
    return settings.hub_token.get_secret_value() if settings.hub_token else None


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
