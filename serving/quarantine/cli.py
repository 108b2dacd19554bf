"""`mizan quarantine`: who is shut out, and letting them in again."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from serving.settings import Settings

CONSOLE = Console()

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str | None, typer.Option(help="Address of the gateway; the configured one if absent.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="File with a supervisor's token; absent, that of whoever has logged in."),
]
Application = Annotated[str, typer.Argument(help="OAuth client id of the application.")]


class HasSettings(Protocol):
    """The loaded settings."""

    @property
    def settings(self) -> "Settings": ...


@app.command("list")
def list_quarantines(
    ctx: typer.Context,
    lifted: Annotated[bool, typer.Option("--lifted", help="Those that were lifted, latest first.")] = False,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """List the applications that are quarantined."""
    query = "?lifted=true" if lifted else ""
    entries = _call(ctx, "GET", query, url, token_file)["data"]
    if as_json:
        typer.echo(json.dumps(entries, ensure_ascii=False))
        return
    table = Table(
        "application", "tenant", "since", "reason", "imposed by", *(("lifted by",) if lifted else ())
    )
    for entry in entries:
        cells = [entry["application"], entry["tenant"], _moment(entry["since"]), entry["reason"]]
        cells.append(entry["imposed_by"] or "violations")
        if lifted:
            cells.append(f"{entry['lifted_by']}, {_moment(entry['lifted_at'])}")
        table.add_row(*map(escape, cells))
    for column in table.columns:
        column.overflow = "fold"
    CONSOLE.print(table if entries else "None.")


@app.command()
def lift(
    ctx: typer.Context,
    application: Application,
    *,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the record.")] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Let an application in again; it starts with no violations. The record says who did it.

    Example: mizan quarantine lift khouribga-assistant --reason "prompt corrected"
    """
    import httpx  # noqa: PLC0415  keeps `mizan --help` fast

    query = f"?{httpx.QueryParams({'reason': reason})}" if reason else ""
    entry = _call(ctx, "DELETE", f"/{_quoted(application)}{query}", url, token_file)
    typer.echo(json.dumps(entry, ensure_ascii=False) if as_json else f"{application} is let in again.")


@app.command()
def add(
    ctx: typer.Context,
    application: Application,
    *,
    reason: Annotated[str, typer.Option(help="Why; supervisors read it, the application does not.")],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Quarantine an application by hand; its running streams end."""
    body = {"application": application, "reason": reason}
    entry = _call(ctx, "POST", "", url, token_file, body=body)
    typer.echo(json.dumps(entry, ensure_ascii=False) if as_json else f"{application} is quarantined.")


def _call(
    ctx: typer.Context,
    method: str,
    path: str,
    url: str | None,
    token_file: Path | None,
    *,
    body: dict[str, str] | None = None,
) -> Any:
    import httpx  # noqa: PLC0415  keeps `mizan --help` fast

    context: HasSettings = ctx.obj
    address = (url or context.settings.gateway.url).rstrip("/")
    headers = {"Authorization": f"Bearer {_token(context.settings, token_file)}"}
    try:
        with httpx.Client(trust_env=False, timeout=30, headers=headers) as client:
            response = client.request(method, f"{address}/v1/supervisor/quarantines{path}", json=body)
            content = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        _fail(f"The gateway at {address} does not answer: {error}.")
    if response.is_error:
        _fail(str(content.get("error", {}).get("message") or f"The gateway answered {response.status_code}."))
    return content


def _token(settings: "Settings", file: Path | None) -> str:
    from auth.client import TokenRefused  # noqa: PLC0415  keeps `mizan --help` fast
    from auth.embedded import embedded_token  # noqa: PLC0415  as above
    from auth.people.person import person_session  # noqa: PLC0415  as above
    from auth.people.session import NotLoggedIn  # noqa: PLC0415  as above

    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            _fail(f"{file}: {error.strerror}.")
    try:
        if settings.identity.embedded.enabled:
            return embedded_token(settings.identity, "mizan-operator", "supervisor").value
        with person_session(settings.identity) as session:
            return session.token().access_token
    except (TokenRefused, NotLoggedIn) as error:
        _fail(f"No token: {error}. Log in, or give one with --token-file.")


def _quoted(application: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415  as above

    return quote(application, safe="")


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
