"""`mizan models`: list, prepare, verify and show the models of the catalog."""

import json
import sys
from typing import Annotated, Protocol

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.catalog import Catalog, load_catalog
from models.entry import ModelEntry
from models.errors import ModelError, NotPrepared
from models.listing import rows_of, state_of, table_of
from models.settings import ModelsSettings

app = typer.Typer(
    name="models",
    help="The models Mizan can serve: what they are, where they come from, whether they are here and intact.",
    no_args_is_help=True,
)
out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Ids = Annotated[
    list[str] | None, typer.Argument(help="Model ids, see `mizan models list`.", show_default=False)
]


class HasModelsSettings(Protocol):
    """What the main program hands over in the typer context."""

    @property
    def models(self) -> ModelsSettings:
        """This area's section of the settings."""
        ...


def _settings(ctx: typer.Context) -> ModelsSettings:
    holder: HasModelsSettings | None = ctx.obj
    return holder.models if holder is not None else ModelsSettings()


def _fail(error: Exception) -> typer.Exit:
    err.print(f"error: {error}", style="red", highlight=False, markup=False, emoji=False, soft_wrap=True)
    return typer.Exit(1)


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _chosen(
    catalog: Catalog, ids: list[str] | None, default: tuple[ModelEntry, ...]
) -> tuple[ModelEntry, ...]:
    return tuple(catalog.get(model_id) for model_id in ids) if ids else default


@app.command("list")
def list_models(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Every model of the catalog; `prepared` is a quick check, `mizan models verify` the thorough one."""
    settings = _settings(ctx)
    try:
        rows = rows_of(load_catalog(settings), settings)
    except ModelError as error:
        raise _fail(error) from error
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    out.print(table_of(rows))


@app.command()
def prepare(
    ctx: typer.Context,
    ids: Ids = None,
    *,
    all_default: Annotated[
        bool, typer.Option("--all-default", help="The embedded models: one native, one judge, no hub needed.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Prepare again even where the model is intact.")
    ] = False,
    pin: Annotated[
        bool,
        typer.Option(
            "--pin", help="Fix the files by digest: writes the pinned entry into models.catalog_dir."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Download, verify, convert and store models. Interrupted? Run it again: it goes on where it can.

    Example: mizan models prepare --all-default
    """
    from models.pinning import pin as pin_entry  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.prepare import prepare_all  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.progress import for_console  # noqa: PLC0415 - keeps `mizan --help` fast

    settings = _settings(ctx)
    if bool(ids) == all_default:
        err.print("error: name models or give --all-default, one of the two", style="red")
        raise typer.Exit(2)
    try:
        catalog = load_catalog(settings)
        chosen = _chosen(catalog, ids, catalog.embedded)
        with for_console(err) as progress:
            if pin:
                pinned = [pin_entry(entry, settings, progress) for entry in chosen]
                models = tuple(model for model, _ in pinned)
            else:
                pinned = []
                models = prepare_all(chosen, settings, progress, force=force)
    except ModelError as error:
        raise _fail(error) from error
    for model, file in pinned:
        _say(err, f"{model.entry.id}: pinned in {file}")
    results = [{"id": m.entry.id, "path": str(m.path), "digest": m.digest} for m in models]
    if as_json:
        typer.echo(json.dumps(results, indent=2))
        return
    for result in results:
        _say(out, f"{result['id']}  sha256:{result['digest'][:16]}  {result['path']}")


@app.command()
def verify(ctx: typer.Context, ids: Ids = None, as_json: AsJson = False) -> None:
    """Hash every file of prepared models (without ids: of all). Exit code 1 if any is not intact."""
    from models.locate import verify as verify_entry  # noqa: PLC0415 - keeps `mizan --help` fast

    settings = _settings(ctx)
    results: list[dict[str, str]] = []
    try:
        catalog = load_catalog(settings)
        here = tuple(entry for entry in catalog if state_of(entry, settings) != "no")
        chosen = _chosen(catalog, ids, here)
    except ModelError as error:
        raise _fail(error) from error
    for entry in chosen:
        try:
            digest = verify_entry(entry, settings).digest
            results.append({"id": entry.id, "state": "intact", "detail": f"sha256:{digest}"})
        except ModelError as error:
            state = "not prepared" if isinstance(error, NotPrepared) else "corrupted"
            results.append({"id": entry.id, "state": state, "detail": str(error)})
    if as_json:
        typer.echo(json.dumps(results, indent=2))
    else:
        table = Table("id", "state", "detail", box=box.SIMPLE_HEAD, pad_edge=False)
        for result in results:
            style = None if result["state"] == "intact" else "red"
            texts = (Text(result[name]) for name in ("id", "state", "detail"))  # paths are no markup
            table.add_row(*texts, style=style)
        out.print(table)
    if any(result["state"] != "intact" for result in results):
        raise typer.Exit(1)


@app.command()
def show(ctx: typer.Context, model_id: str, as_json: AsJson = False) -> None:
    """The whole catalog entry of one model."""
    import yaml  # noqa: PLC0415 - keeps `mizan --help` fast

    try:
        entry = load_catalog(_settings(ctx)).get(model_id)
    except ModelError as error:
        raise _fail(error) from error
    document = entry.model_dump(mode="json", exclude_defaults=True)
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        sys.stdout.write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
