"""What the tenant and application commands share: whoever gives them, tables, and errors as one sentence."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn, Protocol, cast

import typer

from auth.settings import IdentitySettings

if TYPE_CHECKING:
    from keycloak import KeycloakAdmin

    from auth.keycloak.application_administration import ApplicationAdministration
    from auth.keycloak.tenant_administration import TenantAdministration

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class HasIdentity(Protocol):
    """The loaded settings, as far as these commands read them."""

    @property
    def identity(self) -> IdentitySettings: ...


def fail(message: str) -> NoReturn:
    """End the command with one sentence on standard error and exit code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


@contextmanager
def administration(
    ctx: typer.Context,
) -> Iterator[tuple["TenantAdministration", "ApplicationAdministration"]]:
    """Tenants and applications of the configured realm; whatever goes wrong ends the command."""
    # All of these are imported here to keep `mizan --help` fast.
    from keycloak.exceptions import KeycloakError  # noqa: PLC0415 - as said

    from auth.client import TokenRefused  # noqa: PLC0415 - as said
    from auth.keycloak.application_administration import ApplicationAdministration  # noqa: PLC0415 - as said
    from auth.keycloak.connection import KeycloakUnreachable, sentence  # noqa: PLC0415 - as said
    from auth.keycloak.credentials import UnusableCredentials  # noqa: PLC0415 - as said
    from auth.keycloak.snapshot import SnapshotFile  # noqa: PLC0415 - as said
    from auth.keycloak.tenant_administration import (  # noqa: PLC0415 - as said
        AdministrationError,
        TenantAdministration,
    )
    from auth.people.session import NotLoggedIn  # noqa: PLC0415 - as said

    identity = cast("HasIdentity", ctx.obj).identity
    try:
        admin = _administrator(identity)
        last = SnapshotFile(identity.keycloak.snapshot_file, identity.keycloak.issuer).load()
        known = last.tenants if last is not None else {}
        tenants = TenantAdministration(admin, identity.keycloak.defaults, known)
        yield tenants, ApplicationAdministration(admin, tenants, identity.roles_client)
    except (
        UnusableCredentials,
        KeycloakUnreachable,
        AdministrationError,
        NotLoggedIn,
        TokenRefused,
    ) as error:
        fail(f"{error}.")
    except KeycloakError as error:
        fail(f"Keycloak refused: {sentence(error)}.")


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output; texts are shown as they are and never cut."""
    from rich.console import Console  # noqa: PLC0415 - keeps `mizan --help` fast
    from rich.markup import escape  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(*headers, box=None)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def _administrator(identity: IdentitySettings) -> "KeycloakAdmin":
    """The person who has logged in, with their own rights; without one, the operator of `admin.json`."""
    from auth.keycloak.connection import connect, connect_person  # noqa: PLC0415 - keeps `mizan --help` fast
    from auth.people.person import identify, person_session  # noqa: PLC0415 - as above
    from auth.people.session import NotLoggedIn  # noqa: PLC0415 - as above
    from auth.refusals import AuthenticationError  # noqa: PLC0415 - as above

    if not identity.session_file.exists():
        return connect(identity.keycloak, identity.ca_file)
    with person_session(identity) as session:
        token = session.token(whole=True)
    try:
        person = identify(identity, token.access_token)
    except AuthenticationError as error:
        raise NotLoggedIn(f"you are logged in, but nothing is allowed to you: {error.description}") from error
    if "admin" not in person.principal.scopes:
        raise NotLoggedIn(
            f"this needs the role admin of the client {identity.roles_client}, which {person.name} lacks; "
            "to act as somebody else: mizan logout"
        )
    return connect_person(identity.keycloak, token, identity.ca_file)
