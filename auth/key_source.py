"""Reading an issuer's published keys over HTTP: discovery, then its JWKS (OpenID Connect Discovery 1.0)."""

import asyncio
from typing import Any, Final, Protocol

import httpx

from auth.issuer_address import check_address, discovery_address, origin
from auth.keys import PublishedKeys, UnsuitableKey, read_keys
from auth.refusals import IssuerUnavailable
from auth.strict_json import AmbiguousJson, load_object

MAX_RESPONSE_BYTES: Final = 256 * 1024


class KeySource(Protocol):
    """Somewhere to read signature keys from."""

    async def read(self) -> PublishedKeys:
        """Read the keys once. Raises `IssuerUnavailable`."""
        ...


class HttpKeySource:
    """The keys of an OpenID Connect issuer.

    `discovery_url` is where the metadata is read when that differs from the issuer's public address;
    `jwks_url` skips discovery. Redirects are never followed, answers are capped in size and in time, and
    a `jwks_uri` must lie on the issuer's own origin or on that of `discovery_url`: nothing connects
    outside the configured hosts.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        issuer: str,
        *,
        discovery_url: str | None = None,
        jwks_url: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._discovery_url = discovery_url or discovery_address(issuer)
        self._configured_jwks_url = jwks_url
        self._jwks_url = jwks_url
        self._timeout = timeout

    async def read(self) -> PublishedKeys:
        if self._jwks_url is None:
            self._jwks_url = await self._discover()
        try:
            return read_keys(await self._get(self._jwks_url))
        except UnsuitableKey as error:
            self._jwks_url = self._configured_jwks_url
            raise IssuerUnavailable(str(error)) from error
        except IssuerUnavailable:
            # The issuer may have moved its keys: ask again where they are next time.
            self._jwks_url = self._configured_jwks_url
            raise

    async def _discover(self) -> str:
        metadata = await self._get(self._discovery_url)
        if metadata.get("issuer") != self._issuer:
            raise IssuerUnavailable(
                f"{self._discovery_url} speaks for the issuer {metadata.get('issuer')!r}, "
                f"but `issuer` is set to {self._issuer!r}"
            )
        jwks_uri = metadata.get("jwks_uri")
        try:
            if not isinstance(jwks_uri, str):
                raise ValueError("the issuer's metadata names no jwks_uri")
            check_address(jwks_uri)
        except ValueError as error:
            raise IssuerUnavailable(str(error)) from error
        if origin(jwks_uri) not in (origin(self._issuer), origin(self._discovery_url)):
            raise IssuerUnavailable(
                f"the issuer's jwks_uri {jwks_uri!r} is on another host; set `jwks_url` if that is intended"
            )
        return jwks_uri

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._body(url)
            return load_object(body)
        except TimeoutError as error:
            raise IssuerUnavailable(f"{url} did not answer within {self._timeout} s") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise IssuerUnavailable(f"{url}: {type(error).__name__}: {error}") from error
        except AmbiguousJson as error:
            raise IssuerUnavailable(f"{url} did not answer with plain JSON: {error}") from error

    async def _body(self, url: str) -> bytes:
        # Compression is declined, so that a small answer cannot unfold into a large one.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with self._client.stream("GET", url, headers=headers, follow_redirects=False) as response:
            if response.status_code != 200:
                raise IssuerUnavailable(f"{url} answered {response.status_code}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise IssuerUnavailable(f"{url} answered compressed although that was declined")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise IssuerUnavailable(f"{url} answered with more than {MAX_RESPONSE_BYTES} bytes")
            return bytes(body)
