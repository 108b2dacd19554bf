"""The mutation check: puts each fault into a copy of the package and sees whether the fast tests find it.

    python -m tests.mutations.run [--only WORDS] [--list]

Exits with 1 where a fault goes unnoticed, or where the tests fail without any.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.mutations.faults import FAULTS, Fault
from tests.profiles import NAME

ROOT = Path(__file__).resolve().parents[2]
TESTS = (
    "tests/serving/judging/test_chain.py",
    "tests/serving/judging/test_choice.py",
    "tests/serving/judging/test_chain_properties.py",
    "tests/serving/judging/test_repair.py",
    "tests/serving/judging/test_log_probabilities.py",
)
LIMIT = 240
"""Seconds after which a run counts as failed: a fault may make the chain spin."""


@contextmanager
def copy_of_package() -> Iterator[Path]:
    """A folder with the package and its tests, which go before the installed ones."""
    with tempfile.TemporaryDirectory(prefix="mizan-mutations-") as name:
        folder = Path(name)
        for part in ("serving", "tests/serving"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("tests/__init__.py", "tests/conftest.py", "tests/profiles.py", "pyproject.toml"):
            shutil.copy(ROOT / part, folder / part)
        yield folder


def tests_pass(folder: Path) -> bool:
    """Run the fast tests against the copy, up to the first failure."""
    command = [sys.executable, "-m", "pytest", *TESTS, "-x", "-q", "-p", "no:cacheprovider", "--tb=no"]
    environment = {**os.environ, "PYTHONPATH": str(folder), NAME: "mutations", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603  the command is built here, of constants
            command, cwd=folder, env=environment, capture_output=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest could not run:\n{done.stdout.decode()}\n{done.stderr.decode()}")
    return done.returncode == 0


def caught(fault: Fault, folder: Path) -> bool:
    """Whether the tests fail with the fault. Raises ValueError where it does not fit the source."""
    path = folder / fault.file
    sound = path.read_text(encoding="utf-8")
    if sound.count(fault.old) != 1:
        raise ValueError(f"{fault.name}: its text occurs {sound.count(fault.old)} times in {fault.file}")
    broken = sound.replace(fault.old, fault.new)
    compile(broken, fault.file, "exec")
    path.write_text(broken, encoding="utf-8")
    try:
        return not tests_pass(folder)
    finally:
        path.write_text(sound, encoding="utf-8")


def assert_copy_is_used(folder: Path) -> None:
    """Raises RuntimeError where the installed package would be tested instead."""
    command = [sys.executable, "-c", "import serving.judging.chain as chain; print(chain.__file__)"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    found = subprocess.run(  # noqa: S603  the command is built here, of constants
        command, cwd=folder, env=environment, capture_output=True, check=True, text=True
    ).stdout.strip()
    if not Path(found).is_relative_to(folder):
        raise RuntimeError(f"the tests would import {found}")


def main(
    only: Annotated[str, typer.Option(help="Only faults whose name contains these words.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="Name the faults and stop.")] = False,
) -> None:
    """Check that every hand-made fault is found."""
    console = Console()
    faults = [fault for fault in FAULTS if only in fault.name]
    if list_:
        for fault in faults:
            console.print(f"{fault.file}: {fault.name}")
        return
    table = Table("fault", "file", "found", "seconds")
    missed = []
    with copy_of_package() as folder:
        assert_copy_is_used(folder)
        if not tests_pass(folder):
            console.print("The tests fail without any fault.")
            raise typer.Exit(1)
        for fault in track(faults, "faults", console=console):
            started = time.perf_counter()
            found = caught(fault, folder)
            if not found:
                missed.append(fault.name)
            seconds = f"{time.perf_counter() - started:.1f}"
            if not console.is_terminal:
                print(f"{'found' if found else 'MISSED'}: {fault.name} ({seconds} s)", flush=True)
            table.add_row(fault.name, fault.file, "yes" if found else "[bold red]NO[/]", seconds)
    console.print(table)
    console.print(f"{len(faults) - len(missed)} of {len(faults)} faults found.")
    if missed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
