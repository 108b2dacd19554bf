"""`mizan judge shadow`: where shadow judges and the judge disagreed."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.shadows.disagreements import Disagreement, Disagreements, Side

CONSOLE = Console()
ERRORS = Console(stderr=True)

app = typer.Typer(help="Shadow judges: where they disagreed with the judge.", no_args_is_help=True)


class HasState(Protocol):
    """The settings, as far as these commands read them."""

    @property
    def state(self) -> Path: ...


class HasSettings(Protocol):
    """What the main program hands over in the typer context."""

    @property
    def settings(self) -> HasState: ...


@app.command("list")
def list_(
    ctx: typer.Context,
    shadow: Annotated[str | None, typer.Option(help="Catalog id of one shadow.")] = None,
    stage: Annotated[str | None, typer.Option(help="prompt, answer, tool_call or text.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List disagreements, the newest first. Counts of agreement are in /metrics.

    Example: mizan judge shadow list --stage answer
    """
    rows = _disagreements(ctx).list(shadow=shadow, stage=stage, limit=limit)
    if as_json:
        CONSOLE.print_json(json.dumps([asdict(row) for row in rows]))
        return
    if not rows:
        CONSOLE.print("No disagreements are recorded.")
        return
    table = Table("nr", "when", "tenant", "stage", "judge", "shadow")
    for row in rows:
        table.add_row(
            str(row.number),
            _when(row),
            escape(row.tenant),
            escape(row.stage),
            escape(_said(row.judge)),
            escape(f"{row.shadow}: {_said(row.candidate)}"),
        )
    CONSOLE.print(table)


@app.command()
def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="Number in the list.")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show one disagreement: both verdicts, and the text where its tenant lets it be kept."""
    row = _disagreements(ctx).get(number)
    if row is None:
        ERRORS.print(f"There is no disagreement {number}.", highlight=False)
        raise typer.Exit(1)
    if as_json:
        CONSOLE.print_json(json.dumps(asdict(row)))
        return
    table = Table("", "judge", "shadow", title=escape(f"{row.stage} of request {row.request}, {_when(row)}"))
    for name in ("judge", "digest", "outcome", "score", "label_mass", "categories"):
        cells = (escape(_cell(getattr(side, name))) for side in (row.judge, row.candidate))
        table.add_row(name.replace("_", " "), *cells)
    CONSOLE.print(table)
    CONSOLE.print(
        f"Tenant {escape(row.tenant)}, policy {escape(row.policy)}; {row.checks} checks of it disagreed.",
        highlight=False,
    )
    kept = "Its text is not kept: the tenant's content retention is 0, or over."
    CONSOLE.print(kept if row.text is None else row.text, markup=False, emoji=False, highlight=False)


def _disagreements(ctx: typer.Context) -> Disagreements:
    context: HasSettings = ctx.obj
    return Disagreements(context.settings.state)


def _when(row: Disagreement) -> str:
    return datetime.fromtimestamp(row.at, UTC).strftime("%m-%d %H:%M")


def _said(side: Side) -> str:
    return f"{side.outcome} {_cell(side.score)}".strip()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else str(value)[:16]
