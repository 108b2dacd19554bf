"""One whole run: the scripted servers, a gateway on them, the matrix, the report."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.conformance.cells import Cell
from benchmarks.conformance.gateways.gateway import Gateway
from benchmarks.conformance.reports.document import ConformanceReport, build_report
from benchmarks.conformance.results import Result
from benchmarks.conformance.run import Run
from benchmarks.conformance.upstream.listening import Upstream, scripted_upstream

Start = Callable[[Upstream], AbstractContextManager[Gateway]]


async def run_suite(
    start: Start,
    cells: Sequence[Cell],
    console: Console,
    *,
    ports: tuple[int, int] = (0, 0),
    patience: float = 30.0,
) -> ConformanceReport:
    """Start the gateway, run the cells, stop it. Raises GatewayError and OSError (a port is taken)."""
    async with scripted_upstream(*ports) as upstream:
        running = start(upstream)
        with console.status("starting the gateway"):
            gateway = await asyncio.to_thread(running.__enter__)
        try:
            began = time.monotonic()
            with _progress(console) as progress:
                task = progress.add_task(gateway.name, total=len(cells))

                def heard(_: Result) -> None:
                    progress.advance(task)

                results = await Run(gateway, upstream, patience=patience).run(cells, heard)
            return build_report(gateway, results, time.monotonic() - began)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
