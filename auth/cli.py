"""`mizan token` and `mizan rotate-keys`: the development issuer from a terminal."""

import json
from typing import Annotated, NoReturn, Protocol, cast

import typer

from auth.settings import IdentitySettings

app = typer.Typer(no_args_is_help=True, help="Tokens and keys of the embedded development issuer.")


class HasIdentity(Protocol):
    """The loaded settings, as far as these commands read them."""

    @property
    def identity(self) -> IdentitySettings: ...


@app.command()
def token(
    ctx: typer.Context,
    application: Annotated[
        str, typer.Option(help="The application (OAuth client) the token is for.")
    ] = "khouribga-assistant",
    scope: Annotated[str | None, typer.Option(help="Only these scopes, separated by blanks.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print token, expiry and scope as JSON.")] = False,
) -> None:
    """Print an access token from the running development issuer, ready for `Authorization: Bearer …`.

    Example: curl -H "Authorization: Bearer $(mizan token)" http://127.0.0.1:8000/v1/models
    """
    from auth.client import TokenRefused  # noqa: PLC0415 - keeps `mizan --help` fast
    from auth.embedded import embedded_token  # noqa: PLC0415 - keeps `mizan --help` fast

    try:
        issued = embedded_token(cast("HasIdentity", ctx.obj).identity, application, scope)
    except TokenRefused as error:
        _fail(f"No token: {error}.")
    if as_json:
        content = {"access_token": issued.value, "expires_at": issued.expires_at, "scope": issued.scope}
        typer.echo(json.dumps(content))
    else:
        typer.echo(issued.value)


@app.command()
def rotate_keys(ctx: typer.Context) -> None:
    """Give the development issuer a new signing key.

    The old key stays published for a grace period, so that running applications notice nothing. A running
    issuer takes the new key up at once.
    """
    import time  # noqa: PLC0415 - beside the import below

    from auth.issuer.state import StateFile, UnusableState  # noqa: PLC0415 - keeps `mizan --help` fast

    settings = _embedded(ctx).embedded
    try:
        state = StateFile(settings.state_dir).update(
            lambda before: before.rotated(time.time(), settings.key_grace_seconds)
        )
    except UnusableState as error:
        _fail(str(error))
    typer.echo(f"New signing key {state.signing_key().kid}; {len(state.keys) - 1} older still published.")


def _embedded(ctx: typer.Context) -> IdentitySettings:
    settings = cast("HasIdentity", ctx.obj).identity
    if not settings.embedded.enabled:
        _fail(f"The embedded issuer is switched off; ask {settings.issuer_url} for a token.")
    return settings


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
