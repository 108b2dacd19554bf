"""Who is at the terminal, by the same verification that the gateway does."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from auth.assembly import build_verifier
from auth.claims import printable
from auth.compact import read_token
from auth.keycloak.realm import ADMINISTRATION_SCOPE
from auth.people.session import PersonSession, SessionFile
from auth.principal import Principal
from auth.settings import IdentitySettings
from auth.tls import tls_context

_NARROW: Final = "profile"


@dataclass(frozen=True, slots=True)
class Person:
    """A principal with the name people know them by."""

    name: str
    principal: Principal


@contextmanager
def person_session(settings: IdentitySettings) -> Iterator[PersonSession]:
    """The session that the settings describe, with a connection to the issuer."""
    keycloak = settings.claims == "keycloak"
    with httpx.Client(
        verify=tls_context(settings.ca_file), trust_env=False, timeout=settings.http_timeout_seconds
    ) as client:
        yield PersonSession(
            client,
            settings.issuer_url,
            settings.keycloak.cli_client,
            SessionFile(settings.session_file),
            scope=ADMINISTRATION_SCOPE if keycloak else None,
            narrow_scope=_NARROW if keycloak else None,
        )


def identify(settings: IdentitySettings, token: str) -> Person:
    """Verify a token. Raises what the gateway would answer: an `AuthenticationError`."""
    return asyncio.run(_identify(settings, token))


async def _identify(settings: IdentitySettings, token: str) -> Person:
    verifier = build_verifier(settings)
    try:
        principal = await verifier.verify([f"Bearer {token}"])
    finally:
        await verifier.close()
    claims = read_token(token, settings.algorithms).claims
    return Person(printable(claims.get("preferred_username")) or principal.subject, principal)
