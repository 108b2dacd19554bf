"""`mizan config`: what is set, and what can be set."""

import json
from typing import Annotated, Any

import typer
import yaml
from pydantic import SecretStr
from rich.console import Console
from rich.syntax import Syntax

from cluster.context import Context
from serving.settings import MASK, Settings

CONSOLE = Console()

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Print the settings in force, as a settings file would hold them; secrets are masked."""
    context: Context = ctx.obj
    values = _plain(as_written(context.settings))
    if as_json:
        CONSOLE.print_json(json.dumps(values))
    else:
        _print(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), "yaml")


@app.command()
def schema() -> None:
    """Print the JSON schema of the settings: every field with its description and default."""
    _print(json.dumps(Settings.model_json_schema(), indent=2, ensure_ascii=False), "json")


def as_written(settings: Settings) -> dict[str, Any]:
    """The settings as a file would hold them: reading them back gives the same."""
    # The instance's own folder is derived from both when settings are read.
    return {**settings.model_dump(mode="python"), "state": settings.state.parent}


def _print(text: str, language: str) -> None:
    if CONSOLE.is_terminal:
        CONSOLE.print(Syntax(text, language, background_color="default"))
    else:
        typer.echo(text)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
