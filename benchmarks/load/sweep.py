"""The whole run: every level, every round, the arms in turn (A B A B …), so that they share the noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter
from typing import Protocol

from benchmarks.arms.arm import Arm
from benchmarks.errors import SilentTargetError
from benchmarks.load.arrivals import Budget, ClosedLoop
from benchmarks.load.plan import Plan
from benchmarks.load.records import RequestRecord, Round
from benchmarks.load.request import compose
from benchmarks.load.round import run_round
from benchmarks.scenarios.scenario import PromptSet


class Watcher(Protocol):
    """Told how the run goes; draws the progress."""

    def begin(self, label: str, requests: int | None, duration_s: float | None) -> None:
        """A round, or a warm-up, begins."""
        ...

    def seen(self, record: RequestRecord) -> None:
        """A request ended."""
        ...

    def end(self) -> None:
        """The round is over."""
        ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was run. `truncated`: the time of the whole run was up before its plan was done."""

    rounds: tuple[Round, ...]
    wall_s: float
    truncated: bool


async def run_sweep(plan: Plan, arms: Sequence[Arm], prompts: PromptSet, watcher: Watcher) -> Sweep:
    """Warms every arm up, then sweeps. Raises SilentTargetError if an arm fails all of its warm-up."""
    began = perf_counter()
    deadline = began + plan.max_time_s
    runner = _Runner(plan, prompts, watcher)
    for arm in arms:
        if plan.warmup:
            await runner.warm_up(arm, deadline)
    rounds: list[Round] = []
    for concurrency, index, arm in product(plan.concurrency, range(plan.rounds), arms):
        if perf_counter() >= deadline:
            break
        duration = None if plan.duration_s is None else plan.duration_s / plan.rounds
        budget = Budget(plan.requests_in_round(index), duration, deadline)
        label = f"{arm.name} × {concurrency}, round {index + 1}/{plan.rounds}"
        done = await runner.round(
            arm, f"{concurrency}/{index}", concurrency, budget, index=index, label=label
        )
        if done.records:
            rounds.append(done)
    return Sweep(tuple(rounds), perf_counter() - began, perf_counter() >= deadline)


@dataclass(frozen=True, slots=True)
class _Runner:
    plan: Plan
    prompts: PromptSet
    watcher: Watcher

    async def warm_up(self, arm: Arm, deadline: float) -> None:
        budget = Budget(self.plan.warmup, None, deadline)
        users = min(self.plan.warmup, 2)
        done = await self.round(arm, "warm-up", users, budget, index=0, label=f"{arm.name} warm-up")
        if done.records and all(record.outcome.failed for record in done.records):
            last = done.records[-1]
            raise SilentTargetError(
                f"{arm.name} ({arm.base_url}) answered none of its {len(done.records)} warm-up requests: "
                f"{last.outcome}, {last.detail}"
            )

    async def round(
        self, arm: Arm, scope: str, concurrency: int, budget: Budget, *, index: int, label: str
    ) -> Round:
        self.watcher.begin(label, budget.requests, budget.duration_s)
        done = await run_round(
            arm,
            ClosedLoop(concurrency, budget),
            lambda sequence: compose(self.plan.shape, self.prompts, arm, scope, sequence),
            timeout_s=self.plan.timeout_s,
            index=index,
            seen=self.watcher.seen,
        )
        self.watcher.end()
        return done
