"""The report for eyes."""

from rich.console import Console
from rich.table import Table

from benchmarks.reports.document import ArmLevel, BenchmarkReport, Comparison

_COLUMNS = ("p50", "p90", "p95", "p99")


def print_report(report: BenchmarkReport, console: Console) -> None:
    """Load and outcomes, then distributions, then ratios, then what the run cannot show."""
    machine = report.machine
    console.print(
        f"{machine.cores} of {machine.cores_total} cores, {machine.memory_bytes / 2**30:.0f} GiB, load "
        f"{machine.load_1m:.1f}, Python {machine.python}; {report.plan.arrivals}, "
        f"prompts {report.plan.prompts}, "
        f"at most {report.plan.max_tokens} tokens, {report.plan.rounds} rounds, {report.wall_s:.0f} s"
    )
    for arm in report.arms:
        version = f", version {arm.version}" if arm.version else ""
        line = f"  {arm.name}: {arm.base_url}, model {arm.model}{version}"
        console.print(line, markup=False, highlight=False)
    console.print(_load(report), _distributions(report))
    if any(level.against_baseline for level in report.levels):
        console.print(_ratios(report))
    for level in report.levels:
        for failure, count in level.failures.items():
            console.print(f"[red]{level.arm} × {level.concurrency}: {count} × [/red]", end="")
            console.print(failure, markup=False, highlight=False)
    for warning in report.warnings:
        console.print("[yellow]warning:[/yellow]", end=" ")
        console.print(warning, markup=False, highlight=False)
    for blind in report.cannot_show:
        console.print(f"[dim]{blind}[/dim]", highlight=False)


def _load(report: BenchmarkReport) -> Table:
    table = Table(title="Load", title_justify="left")
    for name in ("arm", "users", "requests", "tokens/s", "requests/s"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    outcomes = (
        [
            outcome
            for outcome in report.levels[0].outcomes
            if any(level.outcomes[outcome] for level in report.levels)
        ]
        if report.levels
        else []
    )
    for outcome in [*outcomes, "client CPU"]:
        table.add_column(outcome.replace("_", " "), justify="right")
    for level in report.levels:
        table.add_row(
            level.arm,
            str(level.concurrency),
            str(level.requests),
            f"{level.rates['output_tokens_per_second']:.1f}",
            f"{level.rates['requests_per_second']:.2f}",
            *(str(level.outcomes[outcome]) for outcome in outcomes),
            f"{level.client_cpu_share:.0%}",
        )
    return table


def _distributions(report: BenchmarkReport) -> Table:
    table = Table(title="Per request", title_justify="left")
    for name in ("metric", "unit", "arm", "users", "samples", *_COLUMNS):
        table.add_column(name, justify="left" if name in ("metric", "unit", "arm") else "right")
    for name, meaning in report.metrics.items():
        shown = [level for level in report.levels if name in level.distributions]
        for at, level in enumerate(shown):
            found = level.distributions[name]
            table.add_row(
                "" if at else meaning.title,
                "" if at else meaning.unit,
                level.arm,
                str(level.concurrency),
                str(found.count),
                *(_figure(getattr(found, column)) for column in _COLUMNS),
                end_section=at == len(shown) - 1,
            )
    return table


def _ratios(report: BenchmarkReport) -> Table:
    table = Table(
        title=f"Against {report.baseline} (ratio of medians or rates, 95 % bootstrap interval)",
        title_justify="left",
    )
    compared = [level for level in report.levels if level.against_baseline]
    table.add_column("metric")
    table.add_column("better")
    for level in compared:
        table.add_column(f"{level.arm} × {level.concurrency}", justify="right")
    for name, meaning in report.metrics.items():
        if any(name in level.against_baseline for level in compared):
            table.add_row(meaning.title, meaning.better, *(_ratio(level, name) for level in compared))
    return table


def _ratio(level: ArmLevel, name: str) -> str:
    found: Comparison | None = level.against_baseline.get(name)
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.ratio:.2f}"
    return f"{found.ratio:.2f} [{found.low:.2f}–{found.high:.2f}]".replace("[", r"\[")


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 1_000 else f"{value:.3g}"
