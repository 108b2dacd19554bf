"""`mizan up`, `down`, `status` and `serve`."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cluster.context import Context
from cluster.instance import Instance, Report
from cluster.processes import marked, memory
from cluster.stack import StackError, bring_down, bring_up, running

CONSOLE = Console()
ERRORS = Console(stderr=True)

app = typer.Typer(no_args_is_help=True)


@app.command()
def up(ctx: typer.Context) -> None:
    """Start the stack in the background and wait until it is ready.

    Prepares both models first where they are not. What a killed start left behind is cleaned up.

    Example: mizan up && mizan chat "What is phosphate rock used for?"
    """
    context: Context = ctx.obj
    start(context)
    CONSOLE.print(
        f"The stack is ready at [bold]{escape(Instance(context.settings).url)}[/]. Stop it with: mizan down"
    )


@app.command()
def serve(ctx: typer.Context) -> None:
    """Start the stack, print how to call it, and keep it until Ctrl-C."""
    context: Context = ctx.obj
    start(context)
    instance = Instance(context.settings)
    try:
        _print_how_to_call(context)
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        while running(instance) is not None and not stopped.wait(1):
            pass
        if not stopped.is_set():
            ERRORS.print(f"The stack has ended by itself; see {escape(str(instance.log))}")
            raise typer.Exit(1)
    except KeyboardInterrupt:
        pass
    finally:
        bring_down(instance)


@app.command()
def down(ctx: typer.Context) -> None:
    """Stop the stack and everything it started."""
    context: Context = ctx.obj
    count = bring_down(Instance(context.settings))
    CONSOLE.print(f"Stopped {count} processes." if count else "Nothing was running.")


@app.command()
def status(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show whether the stack runs, what it serves, and what it uses. Exit 3 where it does not run."""
    context: Context = ctx.obj
    settings, instance = context.settings, Instance(context.settings)
    report = running(instance)
    processes = marked(instance)
    facts = {
        "phase": report.phase.value if report else "not running",
        "address": instance.url,
        "native": settings.native.model,
        "judge": settings.judge.model,
        "processes": len(processes),
        "memory_mb": round(memory(processes) / 2**20),
        "log": str(instance.log),
    }
    if as_json:
        CONSOLE.print_json(json.dumps(facts))
    else:
        table = Table(show_header=False, box=None)
        for name, value in facts.items():
            table.add_row(name, escape(str(value)))
        CONSOLE.print(table)
    if report is None:
        raise typer.Exit(3)


def start(context: Context) -> None:
    """Prepare the models, then bring the stack up, telling the terminal how far it is. Exits 1 on failure."""
    from models.catalog import load_catalog  # noqa: PLC0415  not needed by `--help`
    from models.errors import ModelError  # noqa: PLC0415  as above
    from models.prepare import prepare_all  # noqa: PLC0415  as above
    from models.progress import for_console  # noqa: PLC0415  as above

    settings, instance = context.settings, Instance(context.settings)
    started = time.monotonic()
    try:
        catalog = load_catalog(settings.models)
        with for_console(CONSOLE) as progress:
            served = [settings.native.model, settings.judge.model]
            served += [shadow.model for shadow in settings.shadows]
            entries = [catalog.get(model) for model in served]
            prepare_all(entries, settings.models, progress)
        with CONSOLE.status("starting the stack") as spinner:

            def heard(report: Report) -> None:
                spinner.update(report.phase.value)
                CONSOLE.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  {report.phase.value}")

            bring_up(instance, context.config, heard, settings.ray.start_timeout + 60)
    except (StackError, ModelError) as error:
        ERRORS.print(f"[red]The stack could not be started:[/] {escape(str(error))}")
        raise typer.Exit(1) from error


def _print_how_to_call(context: Context) -> None:
    from auth.embedded import embedded_token  # noqa: PLC0415  not needed by `--help`

    instance = Instance(context.settings)
    model = context.settings.native.model
    CONSOLE.print(f"\nAddress  [bold]{escape(instance.url)}/v1[/]   model [bold]{escape(model)}[/]")
    if not context.identity.embedded.enabled:
        CONSOLE.print(f"Tokens   from {escape(context.identity.issuer_url)}\n\nCtrl-C stops the stack.")
        return
    token = embedded_token(context.identity).value
    CONSOLE.print("Token    (valid for some minutes; a new one: mizan token)")
    CONSOLE.out(token, highlight=False)
    CONSOLE.print("\nTry it:\n")
    body = json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "What is phosphate rock used for?"}]}
    )
    CONSOLE.out(
        f"curl -s {instance.url}/v1/chat/completions -H 'Content-Type: application/json' \\\n"
        f"  -H \"Authorization: Bearer $(mizan token)\" \\\n  -d '{body}'",
        highlight=False,
    )
    CONSOLE.print("\nCtrl-C stops the stack.")


def config_option(value: Path | None) -> Path | None:
    """A settings file that does not exist is an error before anything starts."""
    if value is not None and not value.is_file():
        raise typer.BadParameter(f"{value} is not a file")
    return value
