"""`python -m auth.issuer`: run the development issuer in a process of its own."""

import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from auth.issuer.server import IssuerOptions, IssuerRefused, serve
from auth.issuer.state import UnusableState
from auth.tenant_file import InvalidTenants


def main(  # noqa: PLR0917 - typer passes every option by name
    state_dir: Annotated[Path, typer.Option(help="Folder for keys and client secrets.")],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)],
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    audience: Annotated[str, typer.Option(help="The aud claim of its tokens.")] = "mizan",
    tenants_file: Annotated[Path | None, typer.Option(help="YAML file of tenants and applications.")] = None,
    token_lifetime: Annotated[int, typer.Option(help="Seconds an access token is valid.", min=5)] = 300,
    key_grace: Annotated[float, typer.Option(help="Seconds a replaced key stays published.", min=0)] = 900,
    production: Annotated[
        bool, typer.Option(help="Production mode: the development issuer refuses to start.")
    ] = False,
) -> None:
    """Run the development issuer on loopback. Log lines are JSON on standard output."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    options = IssuerOptions(
        state_dir=state_dir,
        host=host,
        port=port,
        audience=audience,
        tenants_file=tenants_file,
        token_lifetime=token_lifetime,
        key_grace=key_grace,
        production=production,
    )
    try:
        serve(options)
    except (IssuerRefused, UnusableState, InvalidTenants) as error:
        structlog.get_logger("mizan.auth.issuer").error("issuer_refused", problem=str(error))
        raise typer.Exit(2) from error


if __name__ == "__main__":
    typer.run(main)
