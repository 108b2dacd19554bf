"""`mizan demo`: start a stack of its own, show it at work, stop it."""

from pathlib import Path

import typer
import yaml
from rich.console import Console
from rich.table import Table

from cluster.cli import start
from cluster.context import Context
from cluster.free_ports import free_ports
from cluster.instance import Instance
from cluster.stack import bring_down

CONSOLE = Console()
COLOURS = {"passed": "green", "flagged": "red", "undecided": "yellow"}

app = typer.Typer(no_args_is_help=True)


@app.command()
def demo(ctx: typer.Context) -> None:
    """Start the stack, hold real conversations in three languages, print answers and verdicts, stop.

    The stack is one of its own, on free ports. Exit 0 only if every conversation went as it should.
    """
    from auth.embedded import embedded_token  # noqa: PLC0415  not needed by `--help`
    from cluster.demo import Result, hold, load_conversations  # noqa: PLC0415  as above

    context = own_stack(ctx.obj)
    instance, settings = Instance(context.settings), context.settings
    results: list[Result] = []
    try:
        start(context)
        for conversation in load_conversations():
            CONSOLE.print(f"[dim]…[/] {conversation.prompt}", highlight=False)
            token = embedded_token(settings.identity).value
            results.append(hold(conversation, instance.url, settings.native.model, token))
        _print(results)
    finally:
        CONSOLE.print(f"Stopped {bring_down(instance)} processes.")
    failed = [result for result in results if not result.as_expected]
    if failed:
        for result in failed:
            CONSOLE.print(f"[red]Not as expected:[/] {result.conversation.prompt} ({result.outcome})")
        raise typer.Exit(1)
    CONSOLE.print(f"[green]All {len(results)} conversations went as they should.[/]")


def own_stack(context: Context, name: str = "demo") -> Context:
    """The caller's settings under another name and on free ports, written to a file the supervisor can read."""
    settings = context.settings
    gateway, issuer = free_ports(2)
    values = yaml.safe_load(context.config.read_text(encoding="utf-8")) if context.config else {}
    values = values or {}
    values["instance"] = name
    values.setdefault("gateway", {})["port"] = gateway
    values.setdefault("identity", {}).setdefault("embedded", {})["port"] = issuer
    file = settings.state.parent / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return Context(Path(file))


def _print(results: "list[Result]") -> None:  # type: ignore[name-defined]  # noqa: F821  imported when it runs
    table = Table(title="Judged conversations", show_lines=True, expand=True)
    for column, ratio in (("asked", 3), ("answer", 5)):
        table.add_column(column, ratio=ratio)
    for column in ("verdict", "score", "first", "total", "judging", "tokens"):
        table.add_column(column, no_wrap=True)
    for result in results:
        verdict = result.outcome if result.status == 200 else f"{result.status} {result.outcome}"
        colour = COLOURS.get(result.outcome, "cyan")
        judgement = result.judgement
        tokens = judgement.get("tokens", {})
        table.add_row(
            f"{result.conversation.prompt} [dim]({'streamed' if result.conversation.stream else 'whole'})[/]",
            result.answer.strip(),
            f"[{colour}]{verdict}[/]",
            "" if judgement.get("score") is None else f"{judgement['score']:.3f}",
            "" if result.first is None else f"{result.first:.2f} s",
            f"{result.total:.2f} s",
            f"{judgement['calls']} calls, {judgement['latency_ms'] / 1000:.2f} s" if judgement else "",
            f"{tokens['released']}/{tokens['generated']}" if tokens else "",
        )
    CONSOLE.print(table)
