"""Reading an issuer's published keys over HTTP: discovery, then its JWKS (OpenID Connect Discovery 1.0)."""

from typing import Protocol

import httpx

from auth.issuer_http import IssuerHttp
from auth.keys import PublishedKeys, UnsuitableKey, read_keys
from auth.refusals import IssuerUnavailable


class KeySource(Protocol):
    """Somewhere to read signature keys from."""

    async def read(self) -> PublishedKeys:
        """Read the keys once. Raises `IssuerUnavailable`."""
        ...


class HttpKeySource:
    """The keys of an OpenID Connect issuer; `jwks_url` skips discovery. `IssuerHttp` says what is asked."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        issuer: str,
        *,
        discovery_url: str | None = None,
        jwks_url: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._http = IssuerHttp(client, issuer, discovery_url=discovery_url, timeout=timeout)
        self._configured_jwks_url = jwks_url
        self._jwks_url = jwks_url

    async def read(self) -> PublishedKeys:
        if self._jwks_url is None:
            self._jwks_url = await self._http.endpoint("jwks_uri", "jwks_url")
        try:
            return read_keys(await self._http.get(self._jwks_url))
        except UnsuitableKey as error:
            self._jwks_url = self._configured_jwks_url
            raise IssuerUnavailable(str(error)) from error
        except IssuerUnavailable:
            # The issuer may have moved its keys: ask again where they are next time.
            self._jwks_url = self._configured_jwks_url
            raise
