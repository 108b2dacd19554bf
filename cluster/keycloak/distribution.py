"""Obtaining Keycloak and building it once: an unpacked, optimised server in the cache."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock

from cluster.keycloak.errors import BuildFailed, MissingPart, UnexpectedArchive

VERSION: Final = "26.7.4"
SHA256: Final = "04823c336b797a7e18889a44262a7a64e6bf624cbbcc518c85e2622176ff2eee"
IMAGE: Final = f"keycloak/keycloak:{VERSION}"
BUILD_OPTIONS: Final = ("--db=dev-file", "--health-enabled=true", "--metrics-enabled=true")

_ARTIFACT: Final = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
_BUILT: Final = ".built-by-mizan"
_PATIENCE: Final = 900

Tell = Callable[[str], None]
"""Receives one line for each step, for the terminal."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where Keycloak comes from; `key` names it in the cache."""

    kind: str
    path: Path | None
    key: str


def choose_source(environment: Mapping[str, str]) -> Source:
    """The first of KEYCLOAK_HOME, KEYCLOAK_DIST, Maven and a container engine, whose image has the server.

    Raises `MissingPart` if there is none.
    """
    home = environment.get("KEYCLOAK_HOME")
    if home:
        path = Path(home).expanduser().absolute()
        if not (path / "bin" / "kc.sh").is_file():
            raise MissingPart(f"KEYCLOAK_HOME is {path}, where there is no bin/kc.sh")
        return Source("home", path, f"home-{_short(str(path))}-{_release(path)}")
    archive = environment.get("KEYCLOAK_DIST")
    if archive:
        path = Path(archive).expanduser().absolute()
        if not path.is_file():
            raise MissingPart(f"KEYCLOAK_DIST is {path}, which is not a file")
        return Source("archive", path, f"archive-{_sha256(path)[:16]}")
    if shutil.which("mvn", path=environment.get("PATH")) is not None:
        return Source("maven", None, VERSION)
    for engine in ("docker", "podman"):
        found = shutil.which(engine, path=environment.get("PATH"))
        if found is not None:
            return Source("image", Path(found), f"image-{VERSION}")
    raise MissingPart(
        "Keycloak is not here: set KEYCLOAK_HOME to an unpacked server or KEYCLOAK_DIST to its archive, "
        f"or put Maven, docker or podman on the PATH, which then fetches version {VERSION}"
    )


def built_server(
    source: Source,
    cache: Path,
    java_home: Path,
    environment: Mapping[str, str],
    tell: Tell,
    *,
    build_options: Sequence[str] = BUILD_OPTIONS,
) -> Path:
    """The home of a built server, made if it is not in the cache. Safe to call from several processes.

    Servers built with other options than the usual are kept apart.

    Raises `UnexpectedArchive`, `BuildFailed` or `MissingPart`.
    """
    folder = cache / "keycloak"
    folder.mkdir(parents=True, exist_ok=True)
    options = " ".join(build_options)
    key = source.key if build_options == BUILD_OPTIONS else f"{source.key}-{_short(options)}"
    home = folder / key
    with FileLock(folder / f".{key}.lock"):
        marker = home / _BUILT
        if marker.is_file() and marker.read_text(encoding="utf-8") == options:
            return home
        shutil.rmtree(home, ignore_errors=True)
        environment = dict(environment) | {"JAVA_HOME": str(java_home)}
        _unpack(source, home, environment, tell)
        tell("building Keycloak for this machine, once (about half a minute)")
        _run([str(home / "bin" / "kc.sh"), "build", *build_options], environment, "Keycloak's build")
        # Written last: an interrupted build has no marker and is done again.
        marker.write_text(options, encoding="utf-8")
    return home


def _unpack(source: Source, home: Path, environment: Mapping[str, str], tell: Tell) -> None:
    if source.kind == "home" and source.path is not None:
        tell(f"copying {source.path}")
        shutil.copytree(source.path, home, ignore=shutil.ignore_patterns("data"))
        return
    if source.kind == "image" and source.path is not None:
        _copy_out_of_image(str(source.path), home, environment, tell)
        return
    archive = source.path or _fetch(home.parent / "downloads", environment, tell)
    tell(f"unpacking {archive.name}")
    unpacked = home.with_name(f".{home.name}.new")
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                # zipfile itself keeps members inside the folder.
                zipped.extractall(unpacked)  # noqa: S202 - see above
        else:
            with tarfile.open(archive) as tarred:
                _extract(tarred, unpacked)
        (top,) = unpacked.iterdir()
        (top / "bin" / "kc.sh").chmod(0o755)
        top.rename(home)
    except (OSError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise BuildFailed(f"{archive} is not a Keycloak archive: {error}") from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _fetch(folder: Path, environment: Mapping[str, str], tell: Tell) -> Path:
    archive = folder / f"keycloak-quarkus-dist-{VERSION}.tar.gz"
    if not (archive.is_file() and _sha256(archive) == SHA256):
        tell(f"fetching Keycloak {VERSION} through Maven (176 MB)")
        folder.mkdir(parents=True, exist_ok=True)
        copy = ["dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}"]
        try:
            _run(["mvn", "--batch-mode", "--quiet", *copy], environment, "Maven")
        except BuildFailed as error:
            raise MissingPart(
                f"Keycloak {VERSION} could not be fetched; set KEYCLOAK_DIST to its archive instead. {error}"
            ) from error
        digest = _sha256(archive)
        if digest != SHA256:
            archive.unlink()
            raise UnexpectedArchive(f"Maven delivered an archive with sha256 {digest}, not {SHA256}")
    return archive


def _extract(tarred: tarfile.TarFile, folder: Path) -> None:
    """Unpack files and folders only, inside `folder` only. Raises ValueError or TarError."""
    if hasattr(tarfile, "data_filter"):
        tarred.extractall(folder, filter="data")
        return
    # Python before 3.11.4
    for member in tarred.getmembers():
        inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
        if not inside or not (member.isfile() or member.isdir()):
            raise ValueError(f"{member.name} does not belong into an archive")
    tarred.extractall(folder)  # noqa: S202 - looked at above


def _copy_out_of_image(engine: str, home: Path, environment: Mapping[str, str], tell: Tell) -> None:
    """Take the server out of Keycloak's own image; it then runs here like any other."""
    tell(f"fetching the image {IMAGE}")
    container = f"mizan-keycloak-{os.getpid()}"
    unpacked = home.with_name(f".{home.name}.new")
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        _run([engine, "create", "--name", container, IMAGE], environment, engine)
        tell("copying the server out of the image")
        _run([engine, "cp", f"{container}:/opt/keycloak", str(unpacked)], environment, engine)
        _run([engine, "rm", container], environment, engine)
        if VERSION not in _release(unpacked):
            raise UnexpectedArchive(f"the image {IMAGE} holds another version: {_release(unpacked)}")
        shutil.rmtree(unpacked / "data", ignore_errors=True)
        unpacked.rename(home)
    except (BuildFailed, OSError) as error:
        raise MissingPart(
            f"Keycloak {VERSION} could not be taken out of its image; set KEYCLOAK_DIST to its archive "
            f"instead. {error}"
        ) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _run(command: list[str], environment: Mapping[str, str], what: str) -> None:
    try:
        result = subprocess.run(  # noqa: S603 - our own command lines
            command, env=dict(environment), capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildFailed(f"{what} did not finish: {error}") from error
    if result.returncode != 0:
        lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        raise BuildFailed(f"{what} failed with status {result.returncode}: {' | '.join(lines[-5:])}")


def _release(home: Path) -> str:
    """The release in `version.txt`, as a file name; a changed KEYCLOAK_HOME is built again."""
    version = home / "version.txt"
    text = version.read_text(encoding="utf-8") if version.is_file() else ""
    return re.sub(r"[^0-9A-Za-z.]+", "-", text.strip()) + f"-{int((home / 'lib').stat().st_mtime)}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
