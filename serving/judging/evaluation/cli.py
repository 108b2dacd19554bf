"""`mizan judge`: evaluate a judge, explain one verdict, and the training commands."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

import models.training.cli
from models.settings import ModelsSettings
from models.stated_error import StatedError

if TYPE_CHECKING:
    from serving.judging.evaluation.backends import Backend, JudgeModel
    from serving.judging.policy import Policy

app = typer.Typer(help="The judge: evaluate, explain, train.", no_args_is_help=True)
app.registered_commands += models.training.cli.app.registered_commands

JudgeOption = Annotated[str, typer.Option("--judge", help="Catalog id, or a folder with a model.")]
FamilyOption = Annotated[str, typer.Option(help="Family of a judge given as a folder.")]
PolicyOption = Annotated[Path | None, typer.Option("--policy", help="Policy (YAML); Mizan's own if absent.")]
BackendOption = Annotated[str, typer.Option(help="transformers or vllm.")]

DEFAULT_JUDGE = "gemma-3-270m-judge"
_POLICIES = Path(__file__).parents[2] / "policies"


class Undecided(StatedError):  # noqa: N818 - says what is the case
    """There is no verdict to explain; the message says why."""


class HasModelsSettings(Protocol):
    """What the main program hands over in the typer context."""

    @property
    def models(self) -> ModelsSettings: ...


@app.command("eval")
def evaluate(  # noqa: PLR0917 - typer passes every option by name
    ctx: typer.Context,
    data: Annotated[list[Path], typer.Argument(help="Labelled rows (*.jsonl).", exists=True)],
    judges: Annotated[
        list[str] | None,
        typer.Option("--judge", help="Catalog id, or a folder with a model; several: side by side."),
    ] = None,
    family: FamilyOption = "mizan",
    policy: PolicyOption = None,
    backend: BackendOption = "transformers",
    limit: Annotated[int, typer.Option(help="Rows of each file and label at most; 0 for all.")] = 0,
    growing: Annotated[
        bool, typer.Option(help="Judge answers window by window, as a stream of them is.")
    ] = False,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=0)] = 200,
    concurrency: Annotated[int, typer.Option(help="Rows judged at one time.", min=1)] = 64,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a report with plots.")] = None,
    rows_file: Annotated[
        Path | None, typer.Option("--rows", help="Write each row's score (JSON lines).")
    ] = None,
) -> None:
    """Measure judges on labelled rows: figures with 95 % intervals by file, language, source and kind.

    Latency is that of a row among those judged at the same time; --concurrency 1 gives a verdict's own.

    Example: mizan judge eval rows.jsonl --judge gemma-3-270m --judge gemma-3-270m-judge --html report.html
    """
    from rich import progress  # noqa: PLC0415 - keeps `mizan --help` fast
    from rich.console import Console  # noqa: PLC0415 - keeps `mizan --help` fast
    from rich.markup import escape  # noqa: PLC0415 - keeps `mizan --help` fast

    from models.training.rows import DataError, digests, read_all  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation import html, report  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.backends import JudgeModel, open_judge  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.metrics import groups  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.runner import Judged, judge_rows  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.sampling import sample  # noqa: PLC0415 - keeps `mizan --help` fast

    console = Console()
    for path in (json_file, html_file, rows_file):
        if path is not None and not path.parent.is_dir():
            raise typer.BadParameter(f"{path}: there is no folder {path.parent}")
        if path is not None and path.is_dir():
            raise typer.BadParameter(f"{path} is a folder, not a file to write")
    rows = sample(read_all(data), limit)
    if not rows:
        raise DataError(f"no row with a label (safe or unsafe) in {', '.join(map(str, data))}")
    chosen, rules = [_model(ctx, judge, family) for judge in judges or [DEFAULT_JUDGE]], _policy(policy)

    async def run(model: JudgeModel, bar: progress.Progress) -> list[Judged]:
        task = bar.add_task(escape(model.id), total=len(rows))
        async with open_judge(model, _backend(backend)) as opened:
            return await judge_rows(
                opened,
                rules,
                rows,
                concurrency=concurrency,
                growing=growing,
                done=lambda: bar.advance(task),
            )

    evaluated: list[tuple[report.Evaluation, list[Judged]]] = []
    for model in chosen:
        with progress.Progress(console=Console(stderr=True)) as bar:
            judged = asyncio.run(run(model, bar))
        evaluation = report.Evaluation(
            judge=model.id,
            judge_digest=model.digest,
            policy=f"{rules.id} {rules.version}",
            data=digests(data),
            groups=groups(judged, resamples),
            backend=backend,
            concurrency=concurrency,
            growing=growing,
        )
        evaluated.append((evaluation, judged))
    evaluations = [evaluation for evaluation, _ in evaluated]
    console.print(report.table(evaluations, console.width))
    if json_file is not None:
        figures = [evaluation.as_json() for evaluation in evaluations]
        json_file.write_text(json.dumps({"evaluations": figures}, indent=1) + "\n", encoding="utf-8")
    if html_file is not None:
        html_file.write_text(html.page(evaluated), encoding="utf-8")
    if rows_file is not None:
        lines = (
            json.dumps(
                {
                    "judge": evaluation.judge,
                    "file": one.row.file,
                    "id": one.row.id,
                    "score": one.score,
                    "flagged": one.flagged,
                }
            )
            for evaluation, judged in evaluated
            for one in judged
        )
        rows_file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@app.command()
def explain(  # noqa: PLR0917 - typer passes every option by name
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The text to be judged.")],
    stage: Annotated[str, typer.Option(help="prompt, answer or text.")] = "prompt",
    prompt: Annotated[str, typer.Option(help="What an answer answers.")] = "",
    judge: JudgeOption = DEFAULT_JUDGE,
    family: FamilyOption = "mizan",
    policy: PolicyOption = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Judge one text and show which of its words raise the score."""
    from rich.console import Console  # noqa: PLC0415 - keeps `mizan --help` fast
    from rich.text import Text  # noqa: PLC0415 - keeps `mizan --help` fast

    from models.training.rows import Row  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.backends import open_judge  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.checks import check_of  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.explain import Explanation  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.explain import explain as why  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.judge import decisive  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.protocols import JudgeError  # noqa: PLC0415 - keeps `mizan --help` fast

    kinds = {"prompt": "prompt", "answer": "response", "text": "comment"}
    if stage not in kinds:
        raise typer.BadParameter(f"stage must be one of {', '.join(kinds)}")
    try:
        (text + prompt).encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("the text is not in UTF-8") from None
    if not text:
        raise typer.BadParameter("the text must not be empty")
    row = Row.model_validate(
        {
            "id": "-",
            "lang": "-",
            "kind": kinds[stage],
            "text": text,
            "label": "safe",
            "prompt": prompt or None,
        }
    )
    model, rules = _model(ctx, judge, family), _policy(policy)

    async def run() -> Explanation:
        async with open_judge(model, "transformers") as opened:
            return await why(opened, rules, check_of(row))

    try:
        explanation = asyncio.run(run())
    except JudgeError as error:
        raise Undecided(f"the judge cannot decide: {error}") from error
    verdict, finding = explanation.verdict, decisive(explanation.verdict.findings)
    if as_json:
        words = [{"text": word.text, "weight": word.weight} for word in explanation.words]
        found = {"outcome": verdict.outcome, "score": verdict.score, "threshold": finding.threshold}
        typer.echo(
            json.dumps({**found, "label_mass": verdict.label_mass, "words": words}, ensure_ascii=False)
        )
        return
    console = Console()
    console.print(
        f"{verdict.outcome}: score {verdict.score:.3f}, threshold {finding.threshold:.3f}, "
        f"label mass {verdict.label_mass:.3f}"
    )
    shown = Text()
    for word in explanation.words:
        style = "bold white on red" if word.weight > 0.1 else "red" if word.weight > 0.02 else ""
        shown.append(word.text, style=style or ("green" if word.weight < -0.02 else "")).append(" ")
    console.print(shown)


def _backend(name: str) -> "Backend":
    if name == "vllm":
        return "vllm"
    if name == "transformers":
        return "transformers"
    raise typer.BadParameter("backend must be transformers or vllm")


def _policy(path: Path | None) -> "Policy":
    from serving.judging.policy import load_policies, load_policy  # noqa: PLC0415 - keeps `mizan --help` fast

    return load_policy(path) if path is not None else load_policies(_POLICIES)["default"]


def _model(ctx: typer.Context, judge: str, family: str) -> "JudgeModel":
    from models.catalog import load_catalog  # noqa: PLC0415 - keeps `mizan --help` fast
    from serving.judging.evaluation.chosen import of_catalog, of_folder  # noqa: PLC0415 - keeps `mizan --help` fast

    folder = Path(judge)
    holder: HasModelsSettings | None = ctx.obj
    settings = holder.models if holder is not None else ModelsSettings()
    catalog = load_catalog(settings)
    if not folder.is_dir():
        return of_catalog(catalog.get(judge), family, settings)
    if not (folder / "config.json").is_file():
        raise typer.BadParameter(f"{folder} holds no model: there is no config.json in it")
    return of_folder(folder, family, catalog)
