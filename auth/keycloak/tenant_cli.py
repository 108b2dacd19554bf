"""`mizan tenant …`: tenants are the organizations of the Keycloak realm."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from auth.keycloak.commands import Json, administration, print_table

if TYPE_CHECKING:
    from auth.keycloak.attributes import OrganizationTenant

app = typer.Typer(no_args_is_help=True, help="Tenants: organizations of the Keycloak realm.")

Reference = Annotated[str, typer.Argument(help="Alias or id of the tenant.")]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="models, policy, requests_per_minute, tokens_per_minute, tokens_per_day, concurrent_streams, "
        "priority or content_retention_days; an empty value removes it, so that the default applies.",
    ),
]


@app.command()
def create(
    ctx: typer.Context,
    alias: Annotated[str, typer.Argument(help="Short name without blanks; it can never be changed.")],
    name: Annotated[str | None, typer.Option(help="The name people read.")] = None,
    settings: Setting = None,
    as_json: Json = False,
) -> None:
    """Create a tenant; one that exists already stays as it is.

    Example: mizan tenant create khouribga --name "Site de Khouribga" --set requests_per_minute=120
    """
    changes = _changes(settings)
    with administration(ctx) as (tenants, _):
        tenant, made = tenants.create(alias, name, changes)
    _print([tenant], as_json)
    if not made and not as_json:
        typer.echo(f"{alias} existed already; change it with: mizan tenant update {alias}", err=True)


@app.command("list")
def list_tenants(ctx: typer.Context, as_json: Json = False) -> None:
    """List all tenants, and what is wrong with their attributes."""
    with administration(ctx) as (tenants, _):
        found = tenants.all()
    _print(found, as_json)


@app.command()
def show(ctx: typer.Context, tenant: Reference, as_json: Json = False) -> None:
    """Show one tenant."""
    with administration(ctx) as (tenants, _):
        found = tenants.show(tenant)
    _print([found], as_json)


@app.command()
def update(
    ctx: typer.Context,
    tenant: Reference,
    name: Annotated[str | None, typer.Option(help="The name people read.")] = None,
    settings: Setting = None,
    as_json: Json = False,
) -> None:
    """Change a tenant; the gateway follows within ten seconds."""
    changes = _changes(settings)
    with administration(ctx) as (tenants, _):
        found = tenants.update(tenant, name, changes)
    _print([found], as_json)


@app.command()
def suspend(ctx: typer.Context, tenant: Reference, as_json: Json = False) -> None:
    """Refuse a tenant's requests, although its tokens are still valid; effective within ten seconds."""
    _set_enabled(ctx, tenant, enabled=False, as_json=as_json)


@app.command()
def resume(ctx: typer.Context, tenant: Reference, as_json: Json = False) -> None:
    """Serve a suspended tenant again."""
    _set_enabled(ctx, tenant, enabled=True, as_json=as_json)


@app.command()
def delete(
    ctx: typer.Context,
    tenant: Reference,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a tenant. Its applications stay, without a tenant, and are refused."""
    if not yes:
        typer.confirm(f"Delete the tenant {tenant} for good?", abort=True)
    with administration(ctx) as (tenants, _):
        gone = tenants.delete(tenant)
    typer.echo(f"Deleted {tenant}." if gone else f"There was no tenant {tenant}.")


def _set_enabled(ctx: typer.Context, tenant: str, *, enabled: bool, as_json: bool) -> None:
    with administration(ctx) as (tenants, _):
        found, changed = tenants.set_enabled(tenant, enabled)
    _print([found], as_json)
    if not changed and not as_json:
        typer.echo("Nothing to change.", err=True)


def _changes(settings: list[str] | None) -> dict[str, str]:
    from auth.keycloak.attributes import ATTRIBUTES  # noqa: PLC0415 - keeps `mizan --help` fast

    changes: dict[str, str] = {}
    for setting in settings or []:
        name, separator, value = setting.partition("=")
        name = name.strip().removeprefix("mizan.")
        if not separator or name not in ATTRIBUTES:
            raise typer.BadParameter(f"{setting!r} is not NAME=VALUE with a name of {', '.join(ATTRIBUTES)}")
        changes[name] = value.strip()
    return changes


def _print(entries: "Iterable[OrganizationTenant]", as_json: bool) -> None:
    from auth.keycloak.attributes import LIMITS  # noqa: PLC0415 - keeps `mizan --help` fast

    fields = [entry.report().fields() for entry in entries]
    if as_json:
        typer.echo(json.dumps(fields, ensure_ascii=False))
        return
    rows = []
    for entry in fields:
        limits = [f"{name} {entry[name]}" for name in LIMITS if entry[name] not in (None, 0)]
        texts = (entry["alias"], entry["name"], entry["status"], ", ".join(entry["models"]), entry["policy"])
        rows.append((*texts, ", ".join(limits) or "none", "; ".join(entry["problems"])))
    print_table(("alias", "name", "status", "models", "policy", "limits", "problems"), rows)
