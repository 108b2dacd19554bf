"""A folder on this machine."""

import shutil
from pathlib import Path

from models.entry import ModelEntry
from models.errors import SourceError
from models.progress import Progress
from models.schema.origin import LocalSource


def folder_of(source: LocalSource) -> Path:
    """The folder itself.

    Raises:
        SourceError: it is not there.
    """
    folder = source.path.expanduser().resolve()
    if not folder.is_dir():
        raise SourceError(f"the model folder {folder} does not exist")
    return folder


def fetch(entry: ModelEntry, source: LocalSource, *, into: Path, progress: Progress) -> None:
    """Copy the folder's files; links are followed so that the copy stands alone.

    Raises:
        SourceError: the folder is not there.
    """
    folder = folder_of(source)
    with progress.stage(f"{entry.id}: copy"):
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                target = into / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
