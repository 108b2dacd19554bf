"""Obtaining access tokens with the client-credentials grant (RFC 6749, section 4.4), from any issuer."""

import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

import httpx

from auth.issuer_address import check_address, discovery_address, origin
from auth.strict_json import AmbiguousJson, load_object

_RENEW_EARLY: Final = 30.0


class TokenRefused(Exception):  # noqa: N818 - says what is the case
    """The issuer did not hand out a token; the message carries its error code and description."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token as the issuer returned it; `expires_at` in seconds since the epoch, by the local clock."""

    value: str
    expires_at: float
    scope: str | None


def issuer_endpoint(client: httpx.Client, issuer: str, name: str = "token_endpoint") -> str:
    """Look up an endpoint in the issuer's metadata. Raises `TokenRefused`."""
    url = discovery_address(issuer)
    try:
        response = client.get(url)
        metadata = load_object(response.raise_for_status().content)
        if metadata.get("issuer") != issuer:
            raise TokenRefused(f"{url} speaks for the issuer {metadata.get('issuer')!r}, not {issuer!r}")
        if name not in metadata:
            raise TokenRefused(f"the issuer {issuer} offers no {name}")
        endpoint = check_address(str(metadata[name]))
    except (httpx.HTTPError, AmbiguousJson, ValueError) as error:
        raise TokenRefused(f"the issuer's metadata at {url} cannot be read: {error}") from error
    if origin(endpoint) != origin(issuer):
        raise TokenRefused(f"the issuer's {name} {endpoint!r} is on another host")
    return endpoint


def request_token(
    client: httpx.Client, endpoint: str, client_id: str, client_secret: str, scope: str | None = None
) -> AccessToken:
    """Ask for one token with `client_secret_basic`. Raises `TokenRefused`."""
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope is not None else {})
    # RFC 6749, 2.3.1: both halves are form-encoded before they are joined.
    credentials = httpx.BasicAuth(quote_plus(client_id), quote_plus(client_secret))
    asked_at = time.time()
    try:
        response = client.post(endpoint, data=form, auth=credentials)
        answer = load_object(response.content)
    except (httpx.HTTPError, AmbiguousJson) as error:
        raise TokenRefused(f"{endpoint}: {error}") from error
    token = answer.get("access_token")
    lifetime = answer.get("expires_in", 60)
    if response.status_code != 200 or not isinstance(token, str) or not isinstance(lifetime, int | float):
        details = answer.get("error_description") or f"status {response.status_code}"
        raise TokenRefused(f"{answer.get('error', 'no token')}: {details}")
    granted = answer.get("scope")
    return AccessToken(token, asked_at + lifetime, granted if isinstance(granted, str) else None)


class TokenSource:
    """A client's current access token, renewed before it expires. For one thread."""

    def __init__(
        self, client: httpx.Client, issuer: str, client_id: str, client_secret: str, scope: str | None = None
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._credentials = (client_id, client_secret, scope)
        self._endpoint: str | None = None
        self._token: AccessToken | None = None

    def token(self) -> AccessToken:
        """A token that is valid for some time yet. Raises `TokenRefused`."""
        if self._token is None or time.time() >= self._token.expires_at - _RENEW_EARLY:
            if self._endpoint is None:
                self._endpoint = issuer_endpoint(self._client, self._issuer)
            self._token = request_token(self._client, self._endpoint, *self._credentials)
        return self._token
