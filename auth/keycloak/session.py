"""What the tenant and application commands share: settings, a session, and errors as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol, cast

import typer

from auth.keycloak.application_administration import ApplicationAdministration
from auth.keycloak.connection import KeycloakUnreachable, connect, sentence
from auth.keycloak.credentials import UnusableCredentials
from auth.keycloak.snapshot import SnapshotFile
from auth.keycloak.tenant_administration import AdministrationError, TenantAdministration
from auth.settings import IdentitySettings


class HasIdentity(Protocol):
    """The loaded settings, as far as these commands read them."""

    @property
    def identity(self) -> IdentitySettings: ...


def fail(message: str) -> NoReturn:
    """End the command with one sentence on standard error and exit code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


@contextmanager
def administration(ctx: typer.Context) -> Iterator[tuple[TenantAdministration, ApplicationAdministration]]:
    """Tenants and applications of the configured realm; whatever goes wrong ends the command."""
    from keycloak.exceptions import KeycloakError  # noqa: PLC0415 - keeps `mizan --help` fast

    identity = cast("HasIdentity", ctx.obj).identity
    try:
        admin = connect(identity.keycloak)
        last = SnapshotFile(identity.keycloak.snapshot_file, identity.keycloak.issuer).load()
        known = last.tenants if last is not None else {}
        tenants = TenantAdministration(admin, identity.keycloak.defaults, known)
        yield tenants, ApplicationAdministration(admin, tenants, identity.roles_client)
    except (UnusableCredentials, KeycloakUnreachable, AdministrationError) as error:
        fail(f"{error}.")
    except KeycloakError as error:
        fail(f"Keycloak refused: {sentence(error)}.")
