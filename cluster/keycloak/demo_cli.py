"""`mizan demo-keycloak`: a real Keycloak and a stack of its own, one changed, the other following."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from keycloak import KeycloakAdmin

    from cluster.keycloak.demo import Step
    from cluster.keycloak.server import LocalServer

CONSOLE = Console()

app = typer.Typer(no_args_is_help=True)


@app.command("demo-keycloak")
def demo_keycloak(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Run Keycloak and the stack, change tenants in the one and show how the other follows; stop both.

    Both are of their own, on free ports. Exit 0 only if every step went as it should.
    """
    import httpx  # noqa: PLC0415  not needed by `--help`

    from cluster.keycloak.demo import KeycloakDemo  # noqa: PLC0415  as above
    from cluster.keycloak.demo import as_json as to_json  # noqa: PLC0415  as above
    from cluster.keycloak.demo_realm import DemoRealm  # noqa: PLC0415  as above
    from cluster.keycloak.server import LocalServer  # noqa: PLC0415  as above

    context = own_stack(ctx.obj)
    identity, instance = context.identity, Instance(context.settings)
    server = LocalServer(identity.keycloak)
    steps: list[Step] = []
    try:
        realm = DemoRealm(_start_keycloak(context, server), identity)
        start(context)
        with httpx.Client(base_url=instance.url, trust_env=False, timeout=300) as gateway:
            for step in KeycloakDemo(realm, gateway, context.settings.native.model).steps():
                CONSOLE.print(f"[dim]{step.seconds:6.1f} s[/]  {escape(step.title)}", highlight=False)
                steps.append(step)
    finally:
        stopped = bring_down(instance)
        server.stop()
        server.forget()
        CONSOLE.print(f"Stopped {stopped} processes, and Keycloak.")
    if as_json:
        typer.echo(to_json(steps))
    else:
        _print(steps)
    if not steps[-1].ok:
        CONSOLE.print("[red]The last step did not go as it should.[/]")
        raise typer.Exit(1)
    CONSOLE.print(f"[green]All {len(steps)} steps went as they should.[/]")


def own_stack(context: Context) -> Context:
    """The caller's settings with tenants in a Keycloak of their own, all on free ports."""
    settings = context.settings
    folder = settings.state.parent / "demo-keycloak"
    gateway, port, management_port = free_ports(3)
    values = yaml.safe_load(context.config.read_text(encoding="utf-8")) if context.config else {}
    values = values or {}
    values["instance"] = "demo-keycloak"
    values.setdefault("gateway", {})["port"] = gateway
    values["identity"] = {
        "tenants": "keycloak",
        "claims": "keycloak",
        "embedded": {"enabled": False},
        "session_file": str(folder / "session.json"),
        "keycloak": {
            "server": f"http://127.0.0.1:{port}",
            "realm": "mizan",
            "state_dir": str(folder),
            "local": {"port": port, "management_port": management_port},
        },
    }
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = Path(folder / "mizan.yaml")
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return Context(file)


def _start_keycloak(context: Context, server: "LocalServer") -> "KeycloakAdmin":
    """A server without memory of earlier demonstrations, its realm bootstrapped; an operator's session."""
    from auth.keycloak.bootstrap import RealmBootstrap, keep_gateway_credentials  # noqa: PLC0415  as above
    from auth.keycloak.connection import connect  # noqa: PLC0415  as above
    from cluster.keycloak.cli import realm_definition  # noqa: PLC0415  as above
    from cluster.keycloak.distribution import built_server, choose_source  # noqa: PLC0415  as above
    from cluster.keycloak.errors import LocalKeycloakError  # noqa: PLC0415  as above
    from cluster.keycloak.java import find_java  # noqa: PLC0415  as above

    settings = context.identity.keycloak
    server.stop()
    server.forget()
    for file in (settings.admin_file, settings.snapshot_file, settings.keys_file):
        file.unlink(missing_ok=True)
    with CONSOLE.status("Keycloak") as spinner:
        try:
            java = find_java(os.environ)
            home = built_server(
                choose_source(os.environ), context.settings.cache, java, os.environ, spinner.update
            )
            server.start(home, java, os.environ, spinner.update)
        except LocalKeycloakError as error:
            CONSOLE.print(f"[red]Keycloak could not be started:[/] {escape(str(error))}")
            raise typer.Exit(1) from error
    definition = realm_definition(context.identity)
    admin = connect(settings)
    made = RealmBootstrap(admin, definition, repair=True).run()
    left = RealmBootstrap(admin, definition, repair=True).run()
    keep_gateway_credentials(admin, definition, settings)
    CONSOLE.print(f"Keycloak is ready; bootstrap put {len(made)} things right, a second run {len(left)}.")
    return admin


def _print(steps: "list[Step]") -> None:
    table = Table(title="Keycloak leads, the gateway follows", show_lines=True)
    table.add_column("done", ratio=1)
    table.add_column("what came of it", ratio=1)
    table.add_column("s", justify="right")
    for step in steps:
        colour = "green" if step.ok else "red"
        table.add_row(escape(step.title), f"[{colour}]{escape(step.outcome)}[/]", f"{step.seconds:.1f}")
    CONSOLE.print(table)
