"""`mizan login`, `whoami` and `logout`: a person at this terminal."""

import json
from typing import TYPE_CHECKING, Annotated, NoReturn, Protocol, cast

import typer

from auth.settings import IdentitySettings

if TYPE_CHECKING:
    from auth.people.device_grant import DeviceAuthorization

app = typer.Typer(no_args_is_help=True, help="Logging in as a person.")


class HasIdentity(Protocol):
    """The loaded settings, as far as these commands read them."""

    @property
    def identity(self) -> IdentitySettings: ...


@app.command()
def login(ctx: typer.Context) -> None:
    """Log in as a person: open the printed address in any browser and confirm the code.

    The session is kept in a file that only you can read; what you may do is what your roles allow.
    """
    from auth.client import TokenRefused  # noqa: PLC0415 - keeps `mizan --help` fast
    from auth.people.person import person_session  # noqa: PLC0415 - as above

    settings = _settings(ctx)
    try:
        with person_session(settings) as session:
            session.log_in(_show)
    except TokenRefused as error:
        _fail(f"You are not logged in: {error}.")
    whoami(ctx, as_json=False)


@app.command()
def whoami(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show who is logged in, and what the issuer lets them do at this moment. Exit 1 if nobody is."""
    from auth.client import TokenRefused  # noqa: PLC0415 - keeps `mizan --help` fast
    from auth.people.person import identify, person_session  # noqa: PLC0415 - as above
    from auth.people.session import NotLoggedIn  # noqa: PLC0415 - as above
    from auth.refusals import AuthenticationError  # noqa: PLC0415 - as above

    settings = _settings(ctx)
    try:
        with person_session(settings) as session:
            person = identify(settings, session.token().access_token)
    except (NotLoggedIn, TokenRefused) as error:
        _fail(f"{error}.")
    except AuthenticationError as error:
        _fail(f"You are logged in, but nothing is allowed to you: {error.description}.")
    roles, tenant = sorted(person.principal.scopes), person.principal.tenant or None
    if as_json:
        fields = {"name": person.name, "issuer": settings.issuer_url, "roles": roles, "tenant": tenant}
        typer.echo(json.dumps(fields, ensure_ascii=False))
        return
    typer.echo(f"{person.name} at {settings.issuer_url}")
    typer.echo(f"roles   {', '.join(roles) or 'none'}")
    typer.echo(f"tenant  {tenant or 'none'}")


@app.command()
def logout(ctx: typer.Context) -> None:
    """End the session, here and at the issuer: its tokens are refused from now on."""
    from auth.client import TokenRefused  # noqa: PLC0415 - keeps `mizan --help` fast
    from auth.people.person import person_session  # noqa: PLC0415 - as above

    try:
        with person_session(_settings(ctx)) as session:
            gone = session.log_out()
    except TokenRefused as error:
        _fail(f"The session is deleted here, but the issuer could not be told: {error}.")
    typer.echo("You are logged out." if gone else "Nobody was logged in.")


def _show(authorization: "DeviceAuthorization") -> None:
    typer.echo(f"Open   {authorization.verification_uri_complete or authorization.verification_uri}")
    typer.echo(f"Code   {authorization.user_code}")
    typer.echo("Waiting until it is confirmed there …", err=True)


def _settings(ctx: typer.Context) -> IdentitySettings:
    settings = cast("HasIdentity", ctx.obj).identity
    if settings.embedded.enabled:
        _fail("The embedded development issuer knows applications only, no people; see `mizan token`.")
    return settings


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
