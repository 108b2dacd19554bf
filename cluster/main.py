"""`mizan`: assembles the sub-commands of each area."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

import auth.cli
import auth.keycloak.application_cli
import auth.keycloak.tenant_cli
import auth.people.cli
import benchmarks.cli
import benchmarks.conformance.cli
import cluster.chat
import cluster.cli
import cluster.config_cli
import cluster.demo_cli
import cluster.keycloak.cli
import cluster.keycloak.demo_cli
import models.cli
import serving.judging.evaluation.cli
import serving.policy_cli
import serving.quarantine.cli
import serving.shadows.cli
from cluster.command_log import log_problems_only
from cluster.context import Context
from models.stated_error import StatedError
from serving.logs import configure_logs
from serving.settings import SettingsError

app = typer.Typer(
    name="mizan",
    no_args_is_help=True,
    add_completion=False,
    help="Mizan serves your own model and an independent judge; no answer leaves unjudged.\n\n"
    "Start with: mizan up, then mizan chat, then mizan down.",
    pretty_exceptions_enable=False,
)


@app.callback()
def settings(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="MIZAN_CONFIG",
            callback=cluster.cli.config_option,
            help="Settings file (YAML).",
        ),
    ] = None,
) -> None:
    """Settings come from defaults, the file, and MIZAN_ variables, in this order."""
    configure_logs()
    ctx.obj = Context(config)


for area in (
    cluster.cli.app,
    cluster.chat.app,
    cluster.demo_cli.app,
    cluster.keycloak.demo_cli.app,
    auth.cli.app,
    auth.people.cli.app,
):
    app.registered_commands += area.registered_commands
app.add_typer(cluster.keycloak.cli.app, name="keycloak", help="A Keycloak server on loopback, and its realm.")
app.add_typer(
    auth.keycloak.tenant_cli.app, name="tenant", help="Tenants: the organizations of a Keycloak realm."
)
app.add_typer(auth.keycloak.application_cli.app, name="app", help="Applications: the realm's clients.")
app.add_typer(models.cli.app, name="models", help="The models: list, prepare, verify, show.")
app.add_typer(benchmarks.cli.app, name="bench")
app.add_typer(benchmarks.conformance.cli.app, name="conformance")
app.add_typer(serving.policy_cli.app, name="policy", help="The judging policies: lint, show.")
serving.judging.evaluation.cli.app.add_typer(serving.shadows.cli.app, name="shadow")
app.add_typer(serving.judging.evaluation.cli.app, name="judge", help="The judge: evaluate, explain, train.")
app.add_typer(
    serving.quarantine.cli.app, name="quarantine", help="Applications that are shut out: list, lift, add."
)
app.add_typer(cluster.config_cli.app, name="config", help="The settings: show, schema.")


def main() -> None:
    """Run the command line; wrong settings end it with a sentence and status 2, other wrong input with 1."""
    log_problems_only()
    try:
        app()
    except SettingsError as error:
        _say("Settings:", error, soft_wrap=False)
        sys.exit(2)
    except StatedError as error:
        _say("error:", error, soft_wrap=True)
        sys.exit(1)


def _say(what: str, error: Exception, *, soft_wrap: bool) -> None:
    """What an error says may come from a file: it is no markup, and the `:100:` of a line is no emoji."""
    Console(stderr=True).print(Text.assemble((what, "red"), f" {error}"), soft_wrap=soft_wrap)


if __name__ == "__main__":
    main()
