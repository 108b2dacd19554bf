"""Assembles the report of a sweep."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from benchmarks.arms.arm import Arm
from benchmarks.arms.discovery import TargetFacts
from benchmarks.load.arrivals import ClosedLoop
from benchmarks.load.plan import Plan
from benchmarks.load.sweep import Sweep
from benchmarks.metrics.catalogue import METRICS
from benchmarks.reports.document import (
    ArmFacts,
    ArmLevel,
    BenchmarkReport,
    MetricMeaning,
    PlanFacts,
)
from benchmarks.reports.machine import MachineFacts
from benchmarks.reports.summary import summarise
from benchmarks.scenarios.scenario import PromptSet

_CANNOT_SHOW = (
    ClosedLoop.blind_spot,
    "Client and server share this machine where the target is on loopback: each slows the other.",
    "Throughput counts the ramp-down, when the last requests of a round run alone.",
)


def build_report(
    plan: Plan,
    arms: Sequence[tuple[Arm, TargetFacts]],
    *,
    baseline: str,
    prompts: PromptSet,
    machine: MachineFacts,
    sweep: Sweep,
) -> BenchmarkReport:
    """Everything a reader needs to judge the figures, besides the figures."""
    levels = summarise(sweep.rounds, baseline)
    return BenchmarkReport(
        started_at=datetime.now(UTC) - timedelta(seconds=sweep.wall_s),
        wall_s=sweep.wall_s,
        truncated=sweep.truncated,
        baseline=baseline,
        plan=PlanFacts(
            arrivals="closed-loop",
            concurrency=plan.concurrency,
            requests=plan.requests,
            duration_s=plan.duration_s,
            rounds=plan.rounds,
            warmup=plan.warmup,
            max_tokens=plan.shape.max_tokens,
            temperature=plan.shape.temperature,
            streamed=plan.shape.streamed,
            unique_prompts=plan.shape.unique_prompts,
            prompts=prompts.name,
            prompt_count=len(prompts.prompts),
            seed=prompts.seed,
            timeout_s=plan.timeout_s,
        ),
        machine=machine,
        arms=tuple(
            ArmFacts(
                name=arm.name,
                base_url=arm.base_url,
                model=arm.model,
                authenticated=arm.token is not None,
                models=facts.models,
                headers=facts.headers,
                version=facts.version,
            )
            for arm, facts in arms
        ),
        metrics={
            m.name: MetricMeaning(title=m.title, unit=m.unit, what=m.what, better=m.better) for m in METRICS
        },
        levels=levels,
        cannot_show=_CANNOT_SHOW,
        warnings=tuple(_warnings(levels, sweep)),
    )


def _warnings(levels: Sequence[ArmLevel], sweep: Sweep) -> list[str]:
    found: list[str] = []
    if sweep.truncated:
        found.append(
            "The time of the whole run was up before its plan was done: the last levels are incomplete."
        )
    for level in levels:
        where = f"{level.arm} at concurrency {level.concurrency}"
        if level.client_cpu_share > 0.8:
            found.append(
                f"{where}: the client used {level.client_cpu_share:.0%} of a core: it may be the limit."
            )
        if len(level.token_sources) > 1:
            found.append(f"{where}: some answers carried usage and some did not; token counts are mixed.")
        elif "chunks" in level.token_sources:
            found.append(
                f"{where}: no usage in the answers; tokens are counted as chunks with content, too few "
                "where a "
                "chunk carries several."
            )
    found += _length_warnings(levels)
    return found


def _length_warnings(levels: Sequence[ArmLevel]) -> list[str]:
    found = []
    for level in levels:
        comparison = level.against_baseline.get("output_tokens")
        if comparison is not None and not 0.9 <= comparison.ratio <= 1.1:
            found.append(
                f"{level.arm} at concurrency {level.concurrency}: its answers are "
                f"{comparison.ratio:.2f} times as "
                "long as the baseline's; compare tokens/s and inter-token latency, not end-to-end latency."
            )
    return found
