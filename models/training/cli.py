"""`mizan judge train`, `average`, `merge`: making the default judge."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from models.training.recipe import Recipe

app = typer.Typer(help="Train the default judge and merge its adapter.", no_args_is_help=True)

_HERE = Path(__file__).parent
Stage = TypeVar("Stage")
RecipeOption = Annotated[Path, typer.Option("--recipe", help="Recipe (YAML).")]
DataOption = Annotated[
    list[Path], typer.Option("--data", help="Folder of labelled rows (*.jsonl); repeat for several.")
]
OWN_DATA = (_HERE / "data", _HERE / "passages")
STAGE_NAMES = (
    "mizan",
    "mizan-second",
    "mizan-third",
    "mizan-fourth",
    "mizan-fifth",
    "mizan-sixth",
    "mizan-seventh",
    "mizan-eighth",
)
STAGES = [_HERE / "recipes" / f"{name}.yaml" for name in STAGE_NAMES]
RECIPE = STAGES[-1]


@app.command()
def train(  # noqa: PLR0917 - typer passes every option by name
    base: Annotated[Path, typer.Option(help="Folder of the base model (Gemma 3 270M, safetensors).")],
    run: Annotated[
        Path, typer.Option(help="Folder for checkpoint, log and adapter; continued when it exists.")
    ],
    data: DataOption,
    recipe: Annotated[
        list[Path], typer.Option("--recipe", help="Recipe (YAML); several are stages, one after the other.")
    ] = STAGES,
    start_from: Annotated[Path | None, typer.Option(help="Adapter to begin with.")] = None,
    minutes: Annotated[float, typer.Option(help="Time for each stage; its rate falls in time.")] = 1e9,
    compiled: Annotated[bool, typer.Option(help="Compile the layers (needs a C++ compiler).")] = True,
    own_data: Annotated[bool, typer.Option(help="Add the rows in models/training/data and passages.")] = True,
) -> None:
    """Fine-tune the adapter, stage by stage: five hours for the shipped ones on two cores."""
    from rich import progress as rich_progress  # noqa: PLC0415 - keeps `mizan --help` fast

    from models.training.average import average as average_adapters  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.loop import Progress  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.pipeline import Paths  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.pipeline import train as train_adapter  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.recipe import load_recipe  # noqa: PLC0415 - keeps `mizan --help` fast

    stages = [load_recipe(path) for path in recipe]
    for number, stage in enumerate(stages):
        earlier = {one.name: one for one in stages[:number]}
        if missing := sorted(set(stage.averaged_with) - set(earlier)) if number else []:
            raise typer.BadParameter(
                f"{stage.name} is averaged with {', '.join(missing)}, not trained before it"
            )
        averaged = [earlier[name] for name in stage.averaged_with if name in earlier]
        means = [_begun_with(stage, stages[:number]), [*averaged, stage]]
        if any(len({one.lora for one in mean}) > 1 for mean in means):
            raise typer.BadParameter(f"{stage.name} has to do with a mean of stages of which `lora` differs")
    folders = (*data, *OWN_DATA) if own_data else tuple(data)
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns) as bar:
        task = bar.add_task("preparing", total=None)

        def report(standing: Progress) -> None:
            speed = f"{standing.tokens_per_second:.0f} tokens/s"
            text = f"loss {standing.loss:.3f}  mass {standing.mass:.3f}  {speed}"
            bar.update(task, total=standing.steps, completed=standing.step, description=text)
            if not bar.console.is_terminal and standing.step % 20 == 0:
                bar.console.print(f"{standing.step}/{standing.steps} {text}")

        adapters: list[Path] = []
        names = [stage.name for stage in stages]
        for stage in stages:
            folder = run / stage.name
            begun = _begun_with(stage, adapters)
            start = begun[0] if begun else start_from
            if len(begun) > 1:
                start = folder / "start"
                average_adapters(begun, start)
            adapter = train_adapter(
                Paths(base=base, data=folders, run=folder),
                stage,
                report,
                compiled=compiled,
                start_from=start,
                minutes=minutes,
            )
            if stage.averaged_with and adapters:
                trained, adapter = adapter, folder / "averaged"
                others = [adapters[names.index(name)] for name in stage.averaged_with]
                shares = list(stage.averaged_with.values())
                average_adapters([*others, trained], adapter, [*shares, 1 - sum(shares)])
            adapters.append(adapter)
    typer.echo(f"adapter: {adapter}")


def _begun_with(stage: "Recipe", earlier: "list[Stage]") -> "list[Stage]":
    """Which of the earlier stages a stage begins with: the mean of so many, or the one just before it."""
    wanted = stage.begins_with_mean_of
    return earlier[-wanted:] if wanted <= len(earlier) else earlier[-1:]


@app.command()
def average(
    adapters: Annotated[list[Path], typer.Argument(help="Folders of adapters of one shape; two or more.")],
    out: Annotated[Path, typer.Option(help="Folder to write the mean adapter to.")],
    weight: Annotated[
        list[float] | None, typer.Option(help="Weight of an adapter, once for each; all the same without it.")
    ] = None,
) -> None:
    """Average adapters that share a start: the mean ranks unseen texts better than each of them."""
    from models.training.average import average as average_adapters  # noqa: PLC0415 - keeps `mizan --help` fast

    average_adapters(adapters, out, weight or ())
    typer.echo(f"adapter: {out}")


@app.command()
def export(
    base: Annotated[Path, typer.Option(help="Folder of the base model.")],
    run: Annotated[Path, typer.Option(help="Folder of a run, finished or not.")],
    recipe: RecipeOption = RECIPE,
) -> None:
    """Write the adapter of a run's last checkpoint."""
    from models.training.pipeline import Paths, export_checkpoint  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.recipe import load_recipe  # noqa: PLC0415 - keeps `mizan --help` fast

    steps = export_checkpoint(Paths(base=base, data=(), run=run), load_recipe(recipe))
    typer.echo(f"adapter after {steps} steps: {run / 'adapter'}")


@app.command()
def calibrate(  # noqa: PLR0917 - typer passes every option by name
    base: Annotated[Path, typer.Option(help="Folder of the base model.")],
    adapter: Annotated[Path, typer.Option(help="Adapter to calibrate; calibration.json is written there.")],
    data: DataOption,
    recipe: RecipeOption = RECIPE,
    scores_file: Annotated[Path | None, typer.Option("--scores", help="Write each row's log-odds.")] = None,
    most: Annotated[int, typer.Option(help="Rows of each file, language and label at most.")] = 80,
) -> None:
    """Fit temperature and thresholds on the development split and show its figures."""
    import json  # noqa: PLC0415 - beside the imports below
    from dataclasses import replace  # noqa: PLC0415 - beside the imports below

    from models.training.calibrate import fit  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.examples import from_pair  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.measure import by_file, in_order  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.mix import data_files, split_rows  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.pipeline import Paths, development, score_adapter  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.recipe import load_recipe  # noqa: PLC0415 - keeps `mizan --help` fast

    paths = Paths(base=base, data=(*data, *OWN_DATA), run=adapter)
    loaded = load_recipe(recipe)
    split = split_rows(data_files(paths.data), loaded)
    examples = development(split, loaded, most)
    worse = [from_pair(row) for row in split.pairs_held_out]
    better = [replace(example, text=example.better or "") for example in worse]
    scores = score_adapter(paths, adapter, [*examples, *worse, *better])
    answers = [score.logit for score in scores[len(examples) :]]
    scores = scores[: len(examples)]
    logits = [score.logit for score in scores]
    if scores_file is not None:
        lines = (
            json.dumps(
                {"id": e.id, "file": e.file, "lang": e.lang, "kind": e.kind, "unsafe": e.unsafe, "logit": z}
            )
            for e, z in zip(examples, logits, strict=True)
        )
        scores_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    fitted = fit(examples, scores)
    decisive = [fitted.decisive(example, score) for example, score in zip(examples, scores, strict=True)]
    measured = by_file(examples, decisive, fitted.cutoffs)
    calibration = {
        "temperature": fitted.temperature,
        "thresholds": fitted.thresholds,
        "several_pieces": fitted.several_pieces,
        "rows": len(examples),
        "least_label_mass": round(min(score.mass for score in scores), 4),
        "pairs": len(worse),
        "pairs_in_order": in_order(answers[: len(worse)], answers[len(worse) :]),
        "figures": [figures.as_dict() for figures in measured],
    }
    (adapter / "calibration.json").write_text(json.dumps(calibration, indent=1) + "\n", encoding="utf-8")
    _show(calibration)


def _show(calibration: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - keeps `mizan --help` fast
    from rich.markup import escape  # noqa: PLC0415 - keeps `mizan --help` fast
    from rich.table import Table  # noqa: PLC0415 - keeps `mizan --help` fast

    table = Table("development rows", "rows", "unsafe", "AUROC", "F1", "recall", "false positives")
    for figures in calibration["figures"]:
        shares = [figures[key] for key in ("auroc", "f1", "recall", "false_positive_rate")]
        table.add_row(
            escape(figures["name"]),
            str(figures["rows"]),
            str(figures["unsafe"]),
            *("" if share is None else f"{share:.3f}" for share in shares),
        )
    Console(width=120).print(table)
    typer.echo(f"temperature {calibration['temperature']}  thresholds {calibration['thresholds']}")
    typer.echo(f"least label mass {calibration['least_label_mass']}")
    if calibration["pairs"]:
        typer.echo(f"pairs in order {calibration['pairs_in_order']:.3f} of {calibration['pairs']}")


@app.command()
def split(
    out: Annotated[Path, typer.Argument(help="File to write (*.jsonl); keep it where the data may be kept.")],
    data: DataOption,
    recipe: RecipeOption = RECIPE,
) -> None:
    """Write the rows that training never sees: the development split, and what only measures."""
    from models.training.mix import data_files, split_rows  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.recipe import load_recipe  # noqa: PLC0415 - keeps `mizan --help` fast

    parts = split_rows(data_files([*data, *OWN_DATA]), load_recipe(recipe))
    rows = (*parts.development, *parts.measuring)
    out.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    typer.echo(f"{len(rows)} rows: {out}")


@app.command()
def mix(data: DataOption, recipe: RecipeOption = RECIPE) -> None:
    """Show how many examples of each kind, language and label an epoch holds."""
    from rich.console import Console  # noqa: PLC0415 - keeps `mizan --help` fast
    from rich.markup import escape  # noqa: PLC0415 - keeps `mizan --help` fast
    from rich.table import Table  # noqa: PLC0415 - keeps `mizan --help` fast

    from models.training.mix import data_files, epoch, split_rows  # noqa: PLC0415 - keeps `mizan --help` fast
    from models.training.recipe import load_recipe  # noqa: PLC0415 - keeps `mizan --help` fast

    loaded = load_recipe(recipe)
    split = split_rows(data_files([*data, *OWN_DATA]), loaded)
    cells = Counter((e.kind.value, e.lang, e.unsafe) for e in epoch(split, loaded, 0))
    table = Table("kind", "language", "safe", "unsafe")
    for kind, lang in sorted({(kind, lang) for kind, lang, _ in cells}):
        table.add_row(kind, escape(lang), str(cells[kind, lang, False]), str(cells[kind, lang, True]))
    Console().print(table)


@app.command()
def merge(
    base: Annotated[Path, typer.Argument(help="Folder of the base model.")],
    out: Annotated[Path, typer.Argument(help="Folder to write the merged model to.")],
    adapter: Annotated[Path, typer.Option(help="Folder of the adapter.")] = _HERE / "adapter",
) -> None:
    """Merge an adapter into its base model."""
    from models.training.merge import merge_adapter  # noqa: PLC0415 - keeps `mizan --help` fast

    merge_adapter(base, adapter, out)
    typer.echo(f"merged: {out}")
