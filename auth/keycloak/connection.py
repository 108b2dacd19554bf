"""Connecting to Keycloak's administration interface, as an operator or as a person who has logged in."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keycloak import KeycloakAdmin, KeycloakOpenIDConnection
from keycloak.exceptions import KeycloakError

from auth.keycloak.credentials import Administrator, read_administrator
from auth.keycloak.settings import KeycloakSettings
from auth.people.device_grant import GrantedTokens

_PATIENCE = 30


class KeycloakUnreachable(Exception):  # noqa: N818 - says what is the case
    """No administrator's session could be had; the message says why."""


def connect(
    settings: KeycloakSettings, ca_file: Path | None = None, administrator: Administrator | None = None
) -> KeycloakAdmin:
    """A session of the operator in `settings.admin_file`, working on `settings.realm`.

    `ca_file` is the authority (PEM) behind the server's TLS certificate; without one, the system's.
    Raises `UnusableCredentials` or `KeycloakUnreachable`.
    """
    operator = administrator or read_administrator(settings.admin_file)
    with _path_for_httpx():
        admin = KeycloakAdmin(
            server_url=settings.server,
            username=operator.username,
            password=operator.password,
            realm_name=settings.realm,
            user_realm_name="master",
            verify=_trusted(ca_file),
            timeout=_PATIENCE,
        )
        try:
            admin.connection.get_token()
        except KeycloakError as error:
            raise KeycloakUnreachable(
                f"Keycloak at {settings.server} does not let us in: {sentence(error)}"
            ) from error
    return admin


def connect_person(
    settings: KeycloakSettings, token: GrantedTokens, ca_file: Path | None = None
) -> KeycloakAdmin:
    """A session with a person's own token and rights; good for one command."""
    lasting = int(token.expires_in)
    with _path_for_httpx():
        connection = KeycloakOpenIDConnection(
            server_url=settings.server,
            realm_name=settings.realm,
            token={"access_token": token.access_token, "expires_in": lasting, "refresh_token": ""},
            verify=_trusted(ca_file),
            timeout=_PATIENCE,
        )
        return KeycloakAdmin(connection=connection)


def sentence(error: KeycloakError) -> str:
    """What Keycloak said, in one line."""
    status = f" (status {error.response_code})" if error.response_code else ""
    return f"{error.error_message!s:.300}{status}"


@contextmanager
def _path_for_httpx() -> Iterator[None]:
    """python-keycloak gives the authority's path to an httpx client too, which it makes and we never use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`verify=<str>`", category=DeprecationWarning)
        yield


def _trusted(ca_file: Path | None) -> str | bool:
    return str(ca_file) if ca_file is not None else True
