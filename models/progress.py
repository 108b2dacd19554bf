"""How a preparation tells what it is doing: bars on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichBars
from rich.table import Column


class Stage(Protocol):
    """One step under way."""

    def reached(self, done: int) -> None:
        """So many bytes of the stage's total are done."""


class Progress(Protocol):
    """Receives the steps of a preparation."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Enter a step of `total` bytes, or of unknown length; leaving it means it is done."""
        ...


class _Mute:
    def reached(self, done: int) -> None:
        pass


class Silent:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Ignore the step."""
        del name, total
        yield _Mute()


class Lines:
    """One line when a step starts and one when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        size = f" ({total / 1e6:.0f} MB)" if total else ""
        self._say(f"{name}{size} …")
        started = time.monotonic()
        yield _Mute()
        self._say(f"{name}: done in {time.monotonic() - started:.1f} s")

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class _Bar:
    def __init__(self, bars: RichBars, name: str, total: int | None) -> None:
        self._bars = bars
        self._total = total
        self._task = bars.add_task(name, total=total, size="")

    def reached(self, done: int) -> None:
        if self._total:
            done = min(done, self._total)
            size = f"{done / 1e6:.0f}/{self._total / 1e6:.0f} MB"
        else:
            size = f"{done / 1e6:.0f} MB"
        self._bars.update(self._task, completed=done, size=size)

    def done(self) -> None:
        total = self._total or 1
        self._bars.update(self._task, total=total, completed=total)

    def abandoned(self) -> None:
        self._bars.update(self._task, visible=False)


class Bars:
    """A bar per step, drawn with rich; a step that fails takes its bar away."""

    def __init__(self, console: Console) -> None:
        self._bars = RichBars(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[size]}", table_column=Column(no_wrap=True, justify="right")),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> "Bars":
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing."""
        self._bars.stop()

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Draw the step until the block ends."""
        bar = _Bar(self._bars, name, total)
        try:
            yield bar
        except BaseException:
            bar.abandoned()
            raise
        bar.done()


@contextmanager
def for_console(console: Console) -> Iterator[Progress]:
    """Bars where the console is a terminal, else lines."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with Bars(console) as bars:
        yield bars


@contextmanager
def growing(folder: Path, stage: Stage, *, offset: int = 0, every: float = 0.2) -> Iterator[None]:
    """Report the growth of a folder that somebody else writes, while the block runs."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(every):
            stage.reached(offset + folder_bytes(folder))

    watcher = threading.Thread(target=watch, name="folder-growth", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below the folder; files that vanish meanwhile count nothing."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total
