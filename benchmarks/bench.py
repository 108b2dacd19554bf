"""A benchmark from options to report."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from benchmarks.arms.arm import Arm
from benchmarks.arms.discovery import discover
from benchmarks.arms.loopback import require_loopback
from benchmarks.errors import InvalidPlanError
from benchmarks.load.plan import Plan
from benchmarks.load.sweep import run_sweep
from benchmarks.reports.document import BenchmarkReport
from benchmarks.reports.machine import machine_facts
from benchmarks.reports.progress import SweepProgress
from benchmarks.reports.report import build_report
from benchmarks.scenarios.scenario import PromptSet


@dataclass(frozen=True, slots=True)
class Bench:
    """What to run on which targets."""

    plan: Plan
    arms: Sequence[Arm]
    prompts: PromptSet
    baseline: str | None = None
    allow_remote: bool = False

    def check(self) -> None:
        """All that can be checked without asking the targets. Raises BenchmarkError."""
        if self._baseline not in [arm.name for arm in self.arms]:
            raise InvalidPlanError(f"baseline {self._baseline} is none of the arms")
        if not self.allow_remote:
            for arm in self.arms:
                require_loopback(arm)

    async def run(self, progress_on: Console) -> BenchmarkReport:
        """Runs it to the end. Raises BenchmarkError where it cannot be run as asked."""
        self.check()
        machine = machine_facts()
        found = [await discover(arm) for arm in self.arms]
        with SweepProgress(progress_on) as progress:
            sweep = await run_sweep(self.plan, [arm for arm, _ in found], self.prompts, progress)
        return build_report(
            self.plan, found, baseline=self._baseline, prompts=self.prompts, machine=machine, sweep=sweep
        )

    @property
    def _baseline(self) -> str:
        return self.baseline or self.arms[0].name
