"""The cache folder: where things lie, who may write, and how a folder appears all at once."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from models.entry import ModelEntry
from models.errors import NotEnoughSpace
from models.progress import Progress
from models.settings import ModelsSettings

SPARE_BYTES = 256 << 20


class ModelCache:
    """Places of one model in the cache.

    ::

        <cache>/models/<id>/<version>/        the prepared model
        <cache>/models/<id>/.<version>.new/   one being built (only ever valid under the lock)
        <cache>/models/<id>/.<version>.old/   one being replaced
        <cache>/models/<id>/.<version>.lock
        <cache>/downloads/<id>/<version>/     verified downloads, kept until the model is prepared
    """

    def __init__(self, entry: ModelEntry, settings: ModelsSettings) -> None:
        home = settings.cache_dir / "models" / entry.id
        self.prepared = home / entry.version
        self.downloads = settings.cache_dir / "downloads" / entry.id / entry.version
        self._home = home
        self._building = home / f".{entry.version}.new"
        self._replaced = home / f".{entry.version}.old"
        self._lock = home / f".{entry.version}.lock"
        self._id = entry.id

    @contextmanager
    def locked(self, progress: Progress) -> Iterator[None]:
        """Hold the model's lock; waits for another preparation. The kernel frees it when a holder dies."""
        self._home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with progress.stage(f"{self._id}: wait for another preparation"):
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def clear_remains(self) -> None:
        """Remove what an interrupted preparation left. Only under the lock."""
        for remains in (self._building, self._replaced):
            shutil.rmtree(remains, ignore_errors=True)
        if self.downloads.is_dir():
            for partial in self.downloads.glob("partial-*"):
                shutil.rmtree(partial, ignore_errors=True)

    def building(self, part: str) -> Path:
        """A new empty folder for one part of the preparation, on the prepared model's file system."""
        folder = self._building / part
        folder.mkdir(parents=True)
        self.downloads.mkdir(parents=True, exist_ok=True)
        return folder

    def publish(self, folder: Path) -> None:
        """Make a finished folder the prepared model: durable first, then visible, by renaming.

        A crash before the rename leaves no prepared model or the old one, never a mixture.
        """
        for file in folder.rglob("*"):
            _sync(file)
        _sync(folder)
        if self.prepared.exists():
            self.prepared.rename(self._replaced)
        folder.rename(self.prepared)
        _sync(self._home)
        self.clear_remains()

    def drop_downloads(self) -> None:
        """Remove the downloads of a model that is prepared."""
        shutil.rmtree(self.downloads, ignore_errors=True)

    def require_space(self, needed: int) -> None:
        """Refuse early what would fill the disk.

        Raises:
            NotEnoughSpace: fewer than `needed` bytes and a reserve are free.
        """
        free = free_bytes(self._home)
        if free < needed + SPARE_BYTES:
            raise NotEnoughSpace(
                f"{self._id} needs {(needed + SPARE_BYTES) / 1e9:.1f} GB in {self._home}, "
                f"{free / 1e9:.1f} GB are free"
            )


def free_bytes(folder: Path) -> int:
    """Free bytes of the folder's file system."""
    return shutil.disk_usage(folder).free


@contextmanager
def disk_full_as_error(what: str) -> Iterator[None]:
    """Turn the operating system's ENOSPC into a NotEnoughSpace."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotEnoughSpace(f"the disk filled up while preparing {what}") from error
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
