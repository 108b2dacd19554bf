"""Connecting to Keycloak's administration interface as an operator."""

from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakError

from auth.keycloak.credentials import Administrator, read_administrator
from auth.keycloak.settings import KeycloakSettings


class KeycloakUnreachable(Exception):  # noqa: N818 - says what is the case
    """No administrator's session could be had; the message says why."""


def connect(settings: KeycloakSettings, administrator: Administrator | None = None) -> KeycloakAdmin:
    """A session of the operator in `settings.admin_file`, working on `settings.realm`.

    Raises `UnusableCredentials` or `KeycloakUnreachable`.
    """
    operator = administrator or read_administrator(settings.admin_file)
    admin = KeycloakAdmin(
        server_url=settings.server,
        username=operator.username,
        password=operator.password,
        realm_name=settings.realm,
        user_realm_name="master",
        timeout=30,
    )
    try:
        admin.connection.get_token()
    except KeycloakError as error:
        raise KeycloakUnreachable(
            f"Keycloak at {settings.server} does not let us in: {sentence(error)}"
        ) from error
    return admin


def sentence(error: KeycloakError) -> str:
    """What Keycloak said, in one line."""
    status = f" (status {error.response_code})" if error.response_code else ""
    return f"{error.error_message!s:.300}{status}"
