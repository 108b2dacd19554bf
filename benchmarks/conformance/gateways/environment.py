"""Virtual environments for other gateways: outside the repository, from pinned lists, made on demand.

The machine's own package configuration decides where packages come from: pip's settings are handed to uv,
as `requirements/install` does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.conformance.gateways.gateway import GatewayError

_PINNED = Path(__file__).parent / "pinned"


def environment(name: str, folder: Path) -> Path:
    """The Python of an environment with the packages of `pinned/NAME.txt`. Raises GatewayError."""
    home = folder / name
    python = home / "bin" / "python"
    done = home / ".installed"
    if done.exists() and done.read_text("utf-8") == _list(name):
        return python
    uv, settings = _uv(), _package_settings()
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], settings)
    listed = str(_PINNED / f"{name}.txt")
    _run([uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "-r", listed], settings)
    done.write_text(_list(name), encoding="utf-8")
    return python


def version_in(name: str, package: str) -> str:
    """The pinned version of a package."""
    for line in _list(name).splitlines():
        found, _, version = line.partition("==")
        if found == package:
            return version
    raise GatewayError(f"{package} is not among the pinned packages of {name}")


def _list(name: str) -> str:
    return (_PINNED / f"{name}.txt").read_text("utf-8")


def _uv() -> str:
    beside = str(Path(sys.executable).parent)
    found = shutil.which("uv", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise GatewayError("uv is not installed: `make install` puts it into .venv")
    return found


def _package_settings() -> dict[str, str]:
    environ = dict(os.environ)
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    said = subprocess.run(asked, check=False, capture_output=True, text=True)  # noqa: S603  our own pip
    index = environ.get("PIP_INDEX_URL") or said.stdout.strip()
    if index:
        environ.setdefault("UV_DEFAULT_INDEX", index)
    return environ


def _run(command: list[str], environ: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603  our own command
        command, check=False, capture_output=True, text=True, env=environ
    )
    if done.returncode != 0:
        raise GatewayError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-600:]}")
