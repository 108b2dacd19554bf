"""`mizan conformance`: whether any byte leaves a gateway that no judge has passed."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

if TYPE_CHECKING:
    from benchmarks.conformance.reports.document import ConformanceReport
    from benchmarks.conformance.suite import Start

EXIT_LEAKED = 1
EXIT_CANNOT_RUN = 2
PEERS = ("mizan", "litellm", "litellm-default", "nemo", "nemo-default")

_HELP = """
Ask a gateway everything that could make it release what its judge has not passed, and see what arrives.

The suite brings the model and the judge: two scripted servers in its own hands. The model hides a forbidden
phrase in its answers, in every channel and cut by chunks in every way; the judge flags it, and is slow,
flapping, garbled, failing, hanging, dying or down on demand. What the client receives is compared, character
by character, with what the judge had passed by then.

[bold]Examples[/bold]

  A stack of its own, with simulated models, all cells:

    mizan conformance --html conformance.html

  A stack that already runs on the suite's servers (docs/conformance.md says how to set it up):

    mizan conformance --url http://127.0.0.1:8000 --model smollm2 --token-file token --ports 8181,8182

  Other gateways, each in an environment of its own:

    mizan conformance peers --json peers.json

Exit code 0: all that arrived was judged, or it was blocked; 1: something leaked, lacked its verdict or
failed; 2: the run could not be made as asked.
"""

app = typer.Typer(
    help=_HELP, invoke_without_command=True, rich_markup_mode="rich", pretty_exceptions_enable=False
)

Patience = Annotated[float, typer.Option(help="Seconds an answer may take.", min=1)]
Quick = Annotated[bool, typer.Option("--quick", help="A quarter of the cells.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")]
MarkdownFile = Annotated[
    Path | None, typer.Option("--markdown", help="Write the gateways side by side to this file.")
]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write the tables to this file.")]


@app.callback(invoke_without_command=True, help=_HELP)
def conformance(  # noqa: PLR0917  # typer reads options from parameters
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(help="A running gateway; default: a stack of its own.", show_default=False)
    ] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token for it.", show_default=False)] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the token.", show_default=False)] = None,
    model: Annotated[str, typer.Option(help="Model to ask it for.")] = "scripted",
    ports: Annotated[
        str, typer.Option(help="Ports of the scripted model and judge that it is set up on.")
    ] = "8181,8182",
    patience: Patience = 60.0,
    quick: Quick = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from benchmarks.conformance.gateways.gateway import Gateway  # noqa: PLC0415  # a quick --help
    from benchmarks.conformance.gateways.mizan import running_mizan  # noqa: PLC0415  # a quick --help

    if url is None:
        reports = [_run(running_mizan, quick=quick, patience=patience)]
    else:
        given = token_file.read_text("utf-8").strip() if token_file else token
        headers = {"authorization": f"Bearer {given}"} if given else {}
        gateway = Gateway(url, "", url.rstrip("/").removesuffix("/v1"), model, headers)
        reports = [_run(lambda _: nullcontext(gateway), quick=quick, patience=patience, ports=_ports(ports))]
    _tell(reports, json_file, html_file, markdown_file)
    if not all(report.held for report in reports):
        raise typer.Exit(EXIT_LEAKED)


@app.command()
def peers(  # noqa: PLR0917  # typer reads options from parameters
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Which: {', '.join(PEERS)}; default: all.", show_default=False)
    ] = None,
    environments: Annotated[
        Path, typer.Option(help="Folder for their environments; may be deleted afterwards.")
    ] = Path("~/.cache/mizan/peers"),
    patience: Patience = 120.0,
    quick: Quick = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    markdown_file: MarkdownFile = None,
) -> None:
    """Run several gateways under the same matrix: Mizan, and others as strict as they can be and by default.

    Exit code 0 when all could be run, whatever came of it.
    """
    from benchmarks.conformance.gateways.litellm import running_litellm  # noqa: PLC0415  # a quick --help
    from benchmarks.conformance.gateways.mizan import running_mizan  # noqa: PLC0415  # a quick --help
    from benchmarks.conformance.gateways.nemo_guardrails import (  # noqa: PLC0415  # a quick --help
        running_nemo_guardrails,
    )

    folder = environments.expanduser()
    known: dict[str, Start] = {
        "mizan": running_mizan,
        "litellm": partial(running_litellm, environments=folder),
        "litellm-default": partial(running_litellm, environments=folder, every=5),
        "nemo": partial(running_nemo_guardrails, environments=folder),
        "nemo-default": partial(running_nemo_guardrails, environments=folder, stream_first=True),
    }
    if unknown := set(names or PEERS) - set(known):
        _cannot(f"no such peer: {', '.join(sorted(unknown))}")
    reports = [_run(known[name], quick=quick, patience=patience) for name in names or PEERS]
    _tell(reports, json_file, html_file, markdown_file)


def _run(
    start: "Start", *, quick: bool, patience: float, ports: tuple[int, int] = (0, 0)
) -> "ConformanceReport":
    from benchmarks.conformance import matrix  # noqa: PLC0415  # a quick --help
    from benchmarks.conformance.gateways.gateway import GatewayError  # noqa: PLC0415  # a quick --help
    from benchmarks.conformance.suite import run_suite  # noqa: PLC0415  # a quick --help

    cells = matrix.reduced() if quick else matrix.full()
    try:
        return asyncio.run(run_suite(start, cells, Console(stderr=True), ports=ports, patience=patience))
    except (GatewayError, OSError) as error:
        _cannot(str(error))
    except KeyboardInterrupt as error:
        typer.echo("mizan conformance: stopped", err=True)
        raise typer.Exit(130) from error


def _tell(
    reports: "Sequence[ConformanceReport]",
    json_file: Path | None,
    html_file: Path | None,
    markdown_file: Path | None,
) -> None:
    from pydantic import TypeAdapter  # noqa: PLC0415  # a quick --help

    from benchmarks.conformance.reports.comparison import comparison  # noqa: PLC0415  # a quick --help
    from benchmarks.conformance.reports.document import ConformanceReport  # noqa: PLC0415  # a quick --help
    from benchmarks.conformance.reports.page import page  # noqa: PLC0415  # a quick --help
    from benchmarks.conformance.reports.terminal import print_report  # noqa: PLC0415  # a quick --help

    for report in reports:
        print_report(report, Console())
    for file in (json_file, html_file, markdown_file):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
    if json_file is not None:
        whole = TypeAdapter(list[ConformanceReport]).dump_json(list(reports), indent=2)
        json_file.write_bytes(whole + b"\n")
    if html_file is not None:
        html_file.write_text(page(reports), encoding="utf-8")
    if markdown_file is not None:
        markdown_file.write_text(comparison(reports), encoding="utf-8")


def _ports(text: str) -> tuple[int, int]:
    try:
        model, judge = (int(port) for port in text.split(","))
    except ValueError:
        _cannot(f"--ports takes two numbers with a comma between, not {text!r}")
    return model, judge


def _cannot(why: str) -> NoReturn:
    typer.echo(f"mizan conformance: {why}", err=True)
    raise typer.Exit(EXIT_CANNOT_RUN)
