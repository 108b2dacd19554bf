"""`mizan bench`: load on OpenAI-compatible servers, measured from the client's side."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchmarkError, InvalidPlanError

EXIT_FAILED_REQUESTS = 1
EXIT_CANNOT_RUN = 2

_HELP = """
Measure OpenAI-compatible servers under load: a closed loop of a fixed number of users, level by level.

Every ARM is a named target. With several arms, rounds alternate (A B A B …) so that all share the machine's
noise, and each arm is reported as a ratio to the first one, or to --baseline. Only this machine may be the
target, unless --allow-remote is given.

[bold]Examples[/bold]

  What does the running stack do with 1, 2, 4, 8 users?

    mizan bench --arm mizan=http://127.0.0.1:8000,token-file=token

  What does judging cost? The whole stack against vLLM alone, in one run:

    python -m benchmarks.bare_vllm MODEL_DIR --name smollm2 --port 8100

    mizan bench --arm bare=http://127.0.0.1:8100 --arm mizan=http://127.0.0.1:8000,token-file=token

  The same stack twice: one tenant is judged in windows, the other one's policy only observes:

    mizan bench --arm observe=http://127.0.0.1:8000,token-file=a --arm window=http://127.0.0.1:8000,token-file=b

  A minute at 4 users with French prompts, kept as JSON:

    mizan bench --arm http://127.0.0.1:8100 --concurrency 4 --duration 60 --prompts french --json r.json

  How much of it is the harness?

    mizan bench --self-test

What each figure means: mizan bench metrics. Exit code 0: all requests were answered (a blocked answer is an
answer); 1: some were not; 2: the run could not be made as asked.
"""

app = typer.Typer(
    help=_HELP, invoke_without_command=True, rich_markup_mode="rich", pretty_exceptions_enable=False
)


@app.callback(invoke_without_command=True, help=_HELP)
def bench(  # noqa: PLR0917  # typer reads options from parameters
    context: typer.Context,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            help="Target as [NAME=]URL[,token-file=PATH][,token-env=VARIABLE][,model=ID]; repeat to compare.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Arm the others are compared to; default: the first.")
    ] = None,
    concurrency: Annotated[str, typer.Option(help="Users at once, one level after the other.")] = "1,2,4,8",
    requests: Annotated[
        int | None, typer.Option(help="Requests per arm and level; default 32, or 4 per user and round.")
    ] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds per arm and level.")] = None,
    rounds: Annotated[
        int | None, typer.Option(help="Rounds a level is cut into; default 4, or 1 with a single arm.")
    ] = None,
    warmup: Annotated[int, typer.Option(help="Unmeasured requests to each arm before the first level.")] = 4,
    max_tokens: Annotated[int, typer.Option(help="max_tokens of every request.")] = 64,
    temperature: Annotated[float, typer.Option(help="temperature of every request.", min=0, max=2)] = 0.0,
    prompts: Annotated[
        str | None,
        typer.Option(help="Prompt sets by name, or .yaml files, with commas between; default: all."),
    ] = None,
    length: Annotated[str | None, typer.Option(help="Only short or only long prompts.")] = None,
    unique_prompts: Annotated[
        bool,
        typer.Option(
            "--unique-prompts/--repeat-prompts",
            help="Put a reference line before each prompt, so that not the prefix cache is measured.",
        ),
    ] = True,
    seed: Annotated[int | None, typer.Option(help="Order of the prompts; default: the set's own.")] = None,
    stream: Annotated[bool, typer.Option(help="Ask for streams.")] = True,
    usage: Annotated[
        bool, typer.Option(help="Ask streams for usage; without it tokens are counted by chunk.")
    ] = True,
    timeout: Annotated[float, typer.Option(help="Seconds a request may take.")] = 120.0,
    max_time: Annotated[float, typer.Option(help="Seconds the whole run may take.")] = 1_800.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")] = None,
    allow_errors: Annotated[bool, typer.Option(help="Exit 0 even if requests failed.")] = False,
    allow_remote: Annotated[bool, typer.Option(help="Allow targets off this machine.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check what was asked for; send nothing.")
    ] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Measure the harness itself against a simulated server.")
    ] = False,
) -> None:
    if context.invoked_subcommand is not None:
        return
    # Imported here, as below: numpy and httpx would slow down every other command's --help.
    from benchmarks.arms.arm import parse_arms  # noqa: PLC0415  # a quick --help
    from benchmarks.bench import Bench  # noqa: PLC0415  # a quick --help
    from benchmarks.load.plan import Plan  # noqa: PLC0415  # a quick --help
    from benchmarks.load.request import RequestShape  # noqa: PLC0415  # a quick --help
    from benchmarks.reports.json_file import write_json  # noqa: PLC0415  # a quick --help
    from benchmarks.reports.table import print_report  # noqa: PLC0415  # a quick --help
    from benchmarks.scenarios.scenario import load_prompts, read_length  # noqa: PLC0415  # a quick --help

    try:
        levels = _levels(concurrency)
        if self_test:
            _self_test(levels, json_file)
            return
        arms = parse_arms(arm or [])
        turns = rounds if rounds is not None else (4 if len(arms) > 1 else 1)
        if requests is None and duration is None:
            requests = max(32, 4 * turns * max(levels))
        shape = RequestShape(max_tokens, temperature, stream, usage, unique_prompts)
        plan = Plan(levels, requests, duration, turns, warmup, timeout, max_time, shape)
        names = [name.strip() for name in prompts.split(",")] if prompts else []
        prompt_set = load_prompts(names, read_length(length), seed)
        bench_run = Bench(plan, arms, prompt_set, baseline, allow_remote)
        if dry_run:
            bench_run.check()
            return
        report = asyncio.run(bench_run.run(Console(stderr=True)))
        print_report(report, Console())
        if json_file is not None:
            write_json(report, json_file)
    except (BenchmarkError, OSError) as error:
        typer.echo(f"mizan bench: {error}", err=True)
        raise typer.Exit(EXIT_CANNOT_RUN) from error
    except KeyboardInterrupt as error:
        typer.echo("mizan bench: stopped", err=True)
        raise typer.Exit(130) from error
    if report.failed_requests and not allow_errors:
        typer.echo(f"mizan bench: {report.failed_requests} requests failed", err=True)
        raise typer.Exit(EXIT_FAILED_REQUESTS)


@app.command()
def metrics() -> None:
    """Explain every figure a report may carry."""
    from benchmarks.load.outcomes import Outcome  # noqa: PLC0415  # a quick --help
    from benchmarks.metrics.catalogue import METRICS  # noqa: PLC0415  # a quick --help

    table = Table("metric", "unit", "better", "what")
    for metric in METRICS:
        table.add_row(metric.title, metric.unit, metric.better, metric.what)
    outcomes = Table("outcome", "what")
    for outcome in Outcome:
        outcomes.add_row(outcome.value.replace("_", " "), outcome.what)
    Console().print(table, outcomes)


@app.command()
def prompt_sets() -> None:
    """List the prompt sets that come with Mizan."""
    from benchmarks.scenarios.scenario import built_in, read_scenario  # noqa: PLC0415  # a quick --help

    table = Table("name", "prompts", "short", "long", "what")
    for name in built_in():
        found = read_scenario(name)
        short = sum(prompt.length == "short" for prompt in found.prompts)
        table.add_row(name, str(len(found.prompts)), str(short), str(len(found.prompts) - short), found.what)
    Console().print(table)


def _levels(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(level) for level in text.split(","))
    except ValueError as error:
        raise InvalidPlanError(f"--concurrency takes numbers with commas between, not {text!r}") from error


def _self_test(levels: tuple[int, ...], json_file: Path | None) -> None:
    from benchmarks.reports.progress import SweepProgress  # noqa: PLC0415  # a quick --help
    from benchmarks.self_test import print_self_test, run_self_test  # noqa: PLC0415  # a quick --help

    with SweepProgress(Console(stderr=True)) as progress:
        found = asyncio.run(run_self_test(levels, progress))
    print_self_test(found, Console())
    if json_file is not None:
        levels_as_data = {
            "ceiling": [level.model_dump() for level in found.ceiling],
            "overhead": [level.model_dump() for level in found.overhead],
        }
        json_file.write_text(json.dumps(asdict(found) | levels_as_data, indent=2) + "\n", "utf-8")
