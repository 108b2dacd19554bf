"""Reading every organization of a realm with the gateway's own client, page by page."""

import time
from typing import Any, Final

import httpx

from auth.client import AccessToken, TokenRefused, request_token
from auth.keycloak.credentials import ClientCredentials
from auth.keycloak.realm import READER_ROLE
from auth.keycloak.settings import KeycloakSettings

_RENEW_EARLY: Final = 30.0
_MAX_PAGES: Final = 10_000


class UnreadableOrganizations(Exception):  # noqa: N818 - says what is the case
    """Keycloak cannot be asked, or does not answer as it should; the message says why and what to do."""


class OrganizationReader:
    """The organizations of one realm. For one thread."""

    def __init__(
        self, client: httpx.Client, settings: KeycloakSettings, credentials: ClientCredentials
    ) -> None:
        self._client = client
        self._settings = settings
        self._credentials = credentials
        self._token: AccessToken | None = None
        self._url = f"{settings.server.rstrip('/')}/admin/realms/{settings.realm}/organizations"

    def read_all(self) -> dict[str, dict[str, Any]]:
        """Every organization with its attributes, by id. Raises `UnreadableOrganizations`."""
        found: dict[str, dict[str, Any]] = {}
        size = self._settings.page_size
        for page in range(_MAX_PAGES):
            query = {"first": page * size, "max": size, "briefRepresentation": "false"}
            try:
                answer = self._get(self._url, query).json()
                found.update({entry["id"]: entry for entry in answer})
            except (ValueError, TypeError, KeyError) as error:
                raise UnreadableOrganizations("Keycloak's list of organizations cannot be read") from error
            if len(answer) < size:
                return found
        raise UnreadableOrganizations(f"the realm {self._settings.realm} never ends its list")

    def read_one(self, identifier: str) -> dict[str, Any] | None:
        """One organization, or None if it is gone. Raises `UnreadableOrganizations`."""
        response = self._get(f"{self._url}/{identifier}", {}, may_be_missing=True)
        entry: dict[str, Any] | None = response.json() if response.status_code == 200 else None
        return entry

    def _get(self, url: str, query: dict[str, Any], *, may_be_missing: bool = False) -> httpx.Response:
        try:
            response = self._client.get(url, params=query, headers=self._authorization())
            if response.status_code == 401:
                # The realm's keys may have been replaced, or its sessions ended, since the token was made.
                self._token = None
                response = self._client.get(url, params=query, headers=self._authorization())
        except (httpx.HTTPError, TokenRefused) as error:
            raise UnreadableOrganizations(str(error)) from error
        if response.status_code == 200 or (may_be_missing and response.status_code == 404):
            return response
        raise UnreadableOrganizations(self._problem(response.status_code))

    def _problem(self, status: int) -> str:
        realm, client = self._settings.realm, self._credentials.client_id
        if status == 403:
            return (
                f"the client {client} lacks the role {READER_ROLE} of realm-management in the realm {realm}"
            )
        if status == 404:
            return f"the realm {realm} does not exist or has organizations switched off"
        return f"Keycloak answered {status} to the client {client}"

    def _authorization(self) -> dict[str, str]:
        if self._token is None or time.time() >= self._token.expires_at - _RENEW_EARLY:
            endpoint = f"{self._settings.issuer}/protocol/openid-connect/token"
            self._token = request_token(
                self._client, endpoint, self._credentials.client_id, self._credentials.client_secret
            )
        return {"Authorization": f"Bearer {self._token.value}"}
