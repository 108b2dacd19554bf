"""`mizan app …`: applications are confidential clients whose service account belongs to one tenant."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auth.keycloak.commands import Json, administration, print_table

if TYPE_CHECKING:
    from auth.keycloak.application_administration import Application

app = typer.Typer(no_args_is_help=True, help="Applications of tenants: Keycloak clients.")

ClientId = Annotated[str, typer.Argument(help="Client id of the application.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(help="Write client id and secret to this file (JSON, mode 0600) instead of the terminal."),
]


@app.command()
def create(  # noqa: PLR0917 - typer passes every option by name
    ctx: typer.Context,
    client_id: ClientId,
    tenant: Annotated[str, typer.Option(help="Alias or id of its tenant.")],
    role: Annotated[list[str] | None, typer.Option(help="chat, moderate or usage; may be repeated.")] = None,
    name: Annotated[str | None, typer.Option(help="The name people read.")] = None,
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """Create an application of a tenant and print its secret, once.

    Example: mizan app create khouribga-assistant --tenant khouribga --role chat --role usage
    """
    with administration(ctx) as (_, applications):
        made, secret = applications.create(client_id, tenant, role or ["chat", "usage"], name)
    if secret is None:
        _print([made], as_json)
        if not as_json:
            typer.echo(f"{client_id} existed already and keeps its secret.", err=True)
        return
    _hand_over(client_id, secret, secret_file, as_json)


@app.command("list")
def list_applications(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(help="Alias or id of the tenant.")],
    as_json: Json = False,
) -> None:
    """List the applications of a tenant."""
    with administration(ctx) as (_, applications):
        found = applications.of_tenant(tenant)
    _print(found, as_json)


@app.command()
def rotate_secret(
    ctx: typer.Context, client_id: ClientId, secret_file: SecretFile = None, as_json: Json = False
) -> None:
    """Give an application a new secret and print it, once; the old one is refused from now on."""
    with administration(ctx) as (_, applications):
        secret = applications.rotate_secret(client_id)
    _hand_over(client_id, secret, secret_file, as_json)


@app.command()
def disable(ctx: typer.Context, client_id: ClientId) -> None:
    """Refuse new tokens to an application; those it has run out within five minutes."""
    _set_enabled(ctx, client_id, enabled=False)


@app.command()
def enable(ctx: typer.Context, client_id: ClientId) -> None:
    """Let a disabled application have tokens again."""
    _set_enabled(ctx, client_id, enabled=True)


@app.command()
def delete(
    ctx: typer.Context,
    client_id: ClientId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an application."""
    if not yes:
        typer.confirm(f"Delete the application {client_id} for good?", abort=True)
    with administration(ctx) as (_, applications):
        gone = applications.delete(client_id)
    typer.echo(f"Deleted {client_id}." if gone else f"There was no application {client_id}.")


def _set_enabled(ctx: typer.Context, client_id: str, *, enabled: bool) -> None:
    with administration(ctx) as (_, applications):
        changed = applications.set_enabled(client_id, enabled)
    word = "enabled" if enabled else "disabled"
    typer.echo(f"{client_id} is {word}." if changed else f"{client_id} was {word} already.")


def _hand_over(client_id: str, secret: str, secret_file: Path | None, as_json: bool) -> None:
    from auth.private_file import write_private  # noqa: PLC0415 - keeps `mizan --help` fast

    content = json.dumps({"client_id": client_id, "client_secret": secret})
    if secret_file is not None:
        write_private(secret_file, content)
        typer.echo(f"The secret of {client_id} is in {secret_file}.", err=True)
    elif as_json:
        typer.echo(content)
    else:
        typer.echo(f"client id      {client_id}\nclient secret  {secret}")
        typer.echo("The secret is shown this once; a new one: mizan app rotate-secret", err=True)


def _print(applications: "list[Application]", as_json: bool) -> None:
    if as_json:
        fields = [
            {"client_id": entry.client_id, "name": entry.name, "enabled": entry.enabled, "roles": entry.roles}
            for entry in applications
        ]
        typer.echo(json.dumps(fields, ensure_ascii=False))
        return
    rows = [
        (entry.client_id, entry.name, "yes" if entry.enabled else "no", ", ".join(entry.roles))
        for entry in applications
    ]
    print_table(("client id", "name", "enabled", "roles"), rows)
