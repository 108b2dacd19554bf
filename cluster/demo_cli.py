"""`mizan demo`: start a stack of its own, show it at work, stop it."""

from typing import TYPE_CHECKING

import typer
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cluster.cli import start
from cluster.context import Context
from cluster.free_ports import free_ports
from cluster.instance import Instance
from cluster.stack import bring_down

if TYPE_CHECKING:
    from cluster.demo import Result

CONSOLE = Console()
COLOURS = {"passed": "green", "flagged": "red", "undecided": "yellow"}

app = typer.Typer(no_args_is_help=True)


@app.command()
def demo(ctx: typer.Context) -> None:
    """Start the stack, hold real conversations in three languages, print answers and verdicts, stop.

    The stack is one of its own, on free ports. Exit 0 only if every conversation went as it should.
    """
    from auth.embedded import embedded_token  # noqa: PLC0415  not needed by `--help`
    from cluster.demo import hold, load_conversations  # noqa: PLC0415  as above

    context = own_stack(ctx.obj)
    instance, settings = Instance(context.settings), context.settings
    results: list[Result] = []
    try:
        start(context)
        for conversation in load_conversations():
            CONSOLE.print(f"[dim]…[/] {escape(conversation.prompt)}", highlight=False)
            token = embedded_token(settings.identity).value
            results.append(hold(conversation, instance.url, settings.native.model, token))
        _print(results)
    finally:
        CONSOLE.print(f"Stopped {bring_down(instance)} processes.")
    failed = [result for result in results if not result.as_expected]
    if failed:
        for result in failed:
            said = escape(f"{result.conversation.prompt} ({result.outcome})")
            CONSOLE.print(f"[red]Not as expected:[/] {said}")
        raise typer.Exit(1)
    CONSOLE.print(f"[green]All {len(results)} conversations went as they should.[/]")


def own_stack(context: Context, name: str = "demo") -> Context:
    """The caller's settings under another name and on free ports, in a file that the supervisor reads."""
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
    return Context(file)


def _print(results: "list[Result]") -> None:
    """One row a conversation, wide texts under each other, so that it reads well on 80 columns."""
    table = Table(title="Judged conversations", show_lines=True, expand=True)
    table.add_column("conversation", ratio=1)
    table.add_column("verdict", width=11)
    table.add_column("time", width=19)
    table.add_column("tokens", width=13)
    for result in results:
        conversation = result.conversation
        asked = f"[bold]{escape(conversation.prompt)}[/]\n{escape(result.answer.strip())}"
        table.add_row(asked, _verdict(result), _times(result), _tokens(result))
    CONSOLE.print(table)


def _verdict(result: "Result") -> str:
    colour = COLOURS.get(result.outcome, "cyan")
    name = result.outcome if result.status == 200 else f"{result.status}\n{result.outcome}"
    score = result.judgement.get("score")
    return f"[{colour}]{escape(name)}[/]" + ("" if score is None else f"\nscore {score:.3f}")


def _times(result: "Result") -> str:
    lines = [] if result.first is None else [f"first token {result.first:5.2f} s"]
    lines.append(f"total       {result.total:5.2f} s")
    if result.judgement:
        lines.append(f"judging     {result.judgement['latency_ms'] / 1000:5.2f} s")
    return "\n".join(lines)


def _tokens(result: "Result") -> str:
    if not result.judgement:
        return ""
    tokens = result.judgement["tokens"]
    fates = "\n".join(f"{tokens[fate]:3d} {fate}" for fate in ("generated", "judged", "released"))
    return f"{fates}\n{result.judgement['calls']:3d} checks"
