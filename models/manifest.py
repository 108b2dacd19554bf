"""The manifest beside a prepared model: what it was made of and what it consists of."""

import hashlib
import json
import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.digests import sha256_of_all
from models.entry import ModelEntry
from models.errors import Corrupted, NotPrepared
from models.schema.strict import InsidePath, Sha256

MANIFEST = "mizan-manifest.json"
WEIGHT_SUFFIXES = frozenset({".safetensors", ".gguf", ".bin", ".pt", ".pth"})


class FileRecord(BaseModel):
    """One file of a prepared model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: InsidePath
    sha256: Sha256
    size: int = Field(ge=0)
    mtime_ns: int

    @property
    def is_weights(self) -> bool:
        """Whether the file holds parameters (by its suffix)."""
        return Path(self.path).suffix in WEIGHT_SUFFIXES


class Manifest(BaseModel):
    """Record of a finished preparation. Its presence is what makes a model prepared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    id: str
    version: str
    lineage: tuple[str, ...]
    fingerprint: Sha256 = Field(description="Of the catalog entry it was prepared from.")
    source_digests: dict[str, Sha256] = Field(description="Delivered files before conversion.")
    converter: dict[str, str] = Field(
        description="Versions of what converted the weights; empty without conversion."
    )
    root: Path | None = Field(default=None, description="Folder of the files where they are served in place.")
    files: tuple[FileRecord, ...]

    @property
    def digest(self) -> str:
        """sha256 over the sorted `<sha256>  <path>` lines of all files: the digest verdicts carry."""
        lines = sorted(f"{record.sha256}  {record.path}\n" for record in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def weight_digests(self) -> frozenset[str]:
        """Digests of everything that holds parameters, before and after conversion."""
        served = {record.sha256 for record in self.files if record.is_weights}
        delivered = {
            digest for path, digest in self.source_digests.items() if Path(path).suffix in WEIGHT_SUFFIXES
        }
        return frozenset(served | delivered)

    def write(self, folder: Path) -> Path:
        """Write into the folder, all at once and durable."""
        file = folder / MANIFEST
        unfinished = folder.parent / f".{folder.name}.manifest"
        with unfinished.open("w", encoding="utf-8") as stream:
            json.dump(self.model_dump(mode="json"), stream, indent=1, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
        return file

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of a prepared folder.

        Raises:
            NotPrepared: none there.
            Corrupted: unreadable.
        """
        try:
            text = (folder / MANIFEST).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise NotPrepared(f"{folder} holds no prepared model") from None
        except (OSError, UnicodeDecodeError) as error:
            raise Corrupted(f"{folder / MANIFEST}: {error}") from error
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise Corrupted(f"{folder / MANIFEST} is damaged: {error.errors()[0]['msg']}") from error


def record_files(folder: Path) -> tuple[FileRecord, ...]:
    """Records of every file below the folder, sorted by path."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    digests = sha256_of_all(files)
    return tuple(
        FileRecord(
            path=file.relative_to(folder).as_posix(),
            sha256=digests[file],
            size=(stat := file.stat()).st_size,
            mtime_ns=stat.st_mtime_ns,
        )
        for file in files
    )


def check_files(manifest: Manifest, folder: Path, *, full: bool) -> None:
    """Compare a folder with its manifest.

    Full hashes every file. Quick hashes only files whose modification time moved, which finds
    replaced and truncated files but not bits that rotted on the disk.

    Raises:
        Corrupted: a file is missing, too many, of another size or of other content.
    """
    expected = {record.path: record for record in manifest.files}
    present = {
        file.relative_to(folder).as_posix(): file
        for file in folder.rglob("*")
        if file.is_file() and file.name != MANIFEST
    }
    for path in sorted(expected.keys() ^ present.keys()):
        state = "is missing" if path in expected else "does not belong there"
        raise Corrupted(f"{manifest.id}: {path} {state} in {folder}")
    doubtful: dict[Path, FileRecord] = {}
    for path, record in expected.items():
        stat = present[path].stat()
        if stat.st_size != record.size:
            raise Corrupted(f"{manifest.id}: {path} has {stat.st_size} bytes instead of {record.size}")
        if full or stat.st_mtime_ns != record.mtime_ns:
            doubtful[present[path]] = record
    for file, digest in sha256_of_all(doubtful).items():
        if digest != doubtful[file].sha256:
            raise Corrupted(f"{manifest.id}: {doubtful[file].path} does not have the recorded sha256")


def check_fingerprint(manifest: Manifest, entry: ModelEntry) -> None:
    """Refuse a model that was prepared from another state of its catalog entry.

    Raises:
        NotPrepared: the entry's source, files or conversion changed since.
    """
    if manifest.fingerprint != entry.fingerprint:
        raise NotPrepared(f"{entry.id} was prepared from another catalog entry; prepare it again")
