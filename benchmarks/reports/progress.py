"""Progress while a sweep runs: a line for a finished round and, on a terminal, a bar for the current one."""

from time import perf_counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.load.records import RequestRecord


class SweepProgress:
    """A `Watcher`. The bar is of a round's requests, or of its time where only a time is given."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._label = ""
        self._timed = False
        self._began = 0.0
        self._ended = 0
        self._failed = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, label: str, requests: int | None, duration_s: float | None) -> None:
        """A round, or a warm-up, begins."""
        self._label, self._timed, self._began = label, requests is None, perf_counter()
        self._ended = self._failed = 0
        self._task = self._bar.add_task(label, total=duration_s if requests is None else requests, note="")

    def seen(self, record: RequestRecord) -> None:
        """A request ended."""
        self._ended += 1
        self._failed += record.outcome.failed
        if self._task is not None:
            done = perf_counter() - self._began if self._timed else float(self._ended)
            self._bar.update(self._task, completed=done, note=self._note())

    def end(self) -> None:
        """The round is over."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        spent = perf_counter() - self._began
        self._console.print(f"{self._label}: {self._note()} in {spent:.1f} s", highlight=False, markup=False)

    def _note(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._ended} requests{failed}"
