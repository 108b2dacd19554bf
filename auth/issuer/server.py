"""Running the development issuer: the checks before it listens, and uvicorn."""

import time
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn

from auth.issuer.app import build_app
from auth.issuer.grant import TokenTerms
from auth.issuer.state import IssuerState, StateFile
from auth.issuer_address import is_loopback_host
from auth.tenant_file import DEVELOPMENT_TENANTS, TenantFile

_log = structlog.get_logger("mizan.auth.issuer")


class IssuerRefused(Exception):  # noqa: N818 - says what is the case
    """The development issuer must not run like this; the message says why."""


@dataclass(frozen=True, slots=True)
class IssuerOptions:
    """How to run it; times in seconds."""

    state_dir: Path
    host: str
    port: int
    audience: str
    tenants_file: Path | None
    token_lifetime: int
    key_grace: float
    production: bool

    @property
    def url(self) -> str:
        """The issuer identifier."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def serve(options: IssuerOptions) -> None:
    """Serve until stopped. Raises `IssuerRefused`, `UnusableState` or `InvalidTenants` before listening."""
    if options.production:
        raise IssuerRefused("the development issuer does not start in production mode")
    if not is_loopback_host(options.host):
        raise IssuerRefused(f"the development issuer listens on loopback only, not on {options.host}")
    tenants = TenantFile(options.tenants_file or DEVELOPMENT_TENANTS)
    state = StateFile(options.state_dir)
    state.update(lambda before: _prepared(before, tenants.current().client_ids(), options.key_grace))
    terms = TokenTerms(options.url, options.audience, options.token_lifetime)
    app = build_app(state, tenants, terms, options.key_grace, time.time)
    _log.info("issuer_starting", issuer=options.url, state_dir=str(options.state_dir), mode="development")
    uvicorn.run(app, host=options.host, port=options.port, log_config=None, access_log=False)
    _log.info("issuer_stopped", issuer=options.url)


def _prepared(state: IssuerState, client_ids: tuple[str, ...], grace: float) -> IssuerState:
    """With a signing key and a secret for every application."""
    with_key = state if state.keys else state.rotated(time.time(), grace)
    return with_key.with_clients(client_ids)
