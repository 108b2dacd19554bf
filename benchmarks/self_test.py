"""The harness measured by itself: how fast its client is, and how much time it adds to what it reports.

The simulated server runs in a process of its own on this machine and shares its cores, so the ceiling is that
of client and server together, and the overhead includes the server's own lateness: both are upper bounds on
what the client does wrong.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.arms.arm import Arm
from benchmarks.errors import SilentTargetError
from benchmarks.load.plan import Plan
from benchmarks.load.request import RequestShape
from benchmarks.load.sweep import Watcher, run_sweep
from benchmarks.reports.document import ArmLevel
from benchmarks.reports.summary import summarise
from benchmarks.scenarios.scenario import load_prompts
from benchmarks.simulated_server import MODEL, Behaviour

_FULL_SPEED = Behaviour()
_KNOWN_DELAYS = Behaviour(first_token_ms=50, token_ms=10, tokens=32)


@dataclass(frozen=True, slots=True)
class SelfTest:
    """`ceiling`: levels against a server without delays; `overhead`: against one with known delays."""

    ceiling: tuple[ArmLevel, ...]
    overhead: tuple[ArmLevel, ...]
    first_token_ms: float = _KNOWN_DELAYS.first_token_ms
    token_ms: float = _KNOWN_DELAYS.token_ms


@asynccontextmanager
async def simulated(behaviour: Behaviour) -> AsyncIterator[Arm]:
    """A simulated server in a process of its own, stopped at the end. Raises SilentTargetError."""
    options: list[str] = []
    for name, value in asdict(behaviour).items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            options.append(flag)
        elif value is not False:
            options += [flag, str(value)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.simulated_server", *options), stdout=asyncio.subprocess.PIPE
    )
    try:
        if process.stdout is None or not (line := await process.stdout.readline()):
            raise SilentTargetError("the simulated server did not start")
        yield Arm("simulated", line.decode().strip(), MODEL)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def run_self_test(concurrency: tuple[int, ...], watcher: Watcher) -> SelfTest:
    """Few enough requests to take half a minute, enough of them for a p95."""
    shape = RequestShape(max_tokens=64)
    requests = max(40, 4 * max(concurrency))
    plan = Plan(concurrency, requests, None, 1, 4, 30, 300, shape)
    prompts = load_prompts(())
    found = []
    for behaviour in (_FULL_SPEED, _KNOWN_DELAYS):
        async with simulated(behaviour) as arm:
            sweep = await run_sweep(plan, [arm], prompts, watcher)
        found.append(summarise(sweep.rounds, arm.name))
    return SelfTest(found[0], found[1])


def print_self_test(found: SelfTest, console: Console) -> None:
    """Two tables: the ceiling and the overhead."""
    ceiling = Table(title="Ceiling: 64-token streams from a server without delays", title_justify="left")
    for name in ("users", "tokens/s", "requests/s", "first token p50 ms", "p95 ms", "client CPU"):
        ceiling.add_column(name, justify="right")
    for level in found.ceiling:
        first = level.distributions["time_to_first_token"]
        ceiling.add_row(
            str(level.concurrency),
            f"{level.rates['output_tokens_per_second']:.0f}",
            f"{level.rates['requests_per_second']:.1f}",
            f"{first.p50:.2f}",
            "–" if first.p95 is None else f"{first.p95:.2f}",
            f"{level.client_cpu_share:.0%}",
        )
    overhead = Table(
        title=f"Overhead: measured minus set ({found.first_token_ms:g} ms to the first token, "
        f"{found.token_ms:g} ms a token)",
        title_justify="left",
    )
    for name in ("users", "first token p50 ms", "p95 ms", "inter-token p50 ms", "p95 ms", "client CPU"):
        overhead.add_column(name, justify="right")
    for level in found.overhead:
        first, token = level.distributions["time_to_first_token"], level.distributions["inter_token_latency"]
        overhead.add_row(
            str(level.concurrency),
            _beyond(first.p50, found.first_token_ms),
            _beyond(first.p95, found.first_token_ms),
            _beyond(token.p50, found.token_ms),
            _beyond(token.p95, found.token_ms),
            f"{level.client_cpu_share:.0%}",
        )
    console.print(ceiling, overhead)
    console.print(
        "[dim]Figures of a target near the ceiling, or differences near the overhead, are the harness's own. "
        "Client and simulated server share this machine.[/dim]"
    )


def _beyond(measured: float | None, was_set: float) -> str:
    return "–" if measured is None else f"{measured - was_set:+.2f}"
