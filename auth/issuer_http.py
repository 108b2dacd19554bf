"""Asking an issuer over HTTP: its metadata (OpenID Discovery 1.0), and JSON from what it names."""

import asyncio
from typing import Any, Final
from urllib.parse import quote_plus

import httpx

from auth.issuer_address import check_address, discovery_address, origin
from auth.refusals import IssuerUnavailable
from auth.strict_json import AmbiguousJson, load_object

MAX_RESPONSE_BYTES: Final = 256 * 1024

# Compression is declined, so that a small answer cannot unfold into a large one.
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}


class IssuerHttp:
    """One OpenID Connect issuer.

    `discovery_url` is where the metadata is read when that differs from the issuer's public address.
    Redirects are never followed, answers are capped in size and in time (seconds), and what the metadata
    names must lie on the issuer's own origin or on that of `discovery_url`: nothing connects outside the
    configured hosts.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        issuer: str,
        *,
        discovery_url: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._discovery_url = discovery_url or discovery_address(issuer)
        self._timeout = timeout

    async def endpoint(self, name: str, setting: str) -> str:
        """The address that the metadata gives as `name`; `setting` is what overrides it.

        Raises `IssuerUnavailable`.
        """
        metadata = await self.get(self._discovery_url)
        if metadata.get("issuer") != self._issuer:
            raise IssuerUnavailable(
                f"{self._discovery_url} speaks for the issuer {metadata.get('issuer')!r}, "
                f"but `issuer` is set to {self._issuer!r}"
            )
        url = metadata.get(name)
        try:
            if not isinstance(url, str):
                raise ValueError(f"the issuer's metadata names no {name}")
            check_address(url)
        except ValueError as error:
            raise IssuerUnavailable(str(error)) from error
        if origin(url) not in (origin(self._issuer), origin(self._discovery_url)):
            raise IssuerUnavailable(
                f"the issuer's {name} {url!r} is on another host; set `{setting}` if that is intended"
            )
        return url

    async def get(self, url: str) -> dict[str, Any]:
        """One JSON object. Raises `IssuerUnavailable`."""
        return await self._ask(self._client.build_request("GET", url, headers=_HEADERS), None)

    async def post(
        self, url: str, form: dict[str, str], client_id: str, client_secret: str
    ) -> dict[str, Any]:
        """The answer to a form sent with `client_secret_basic`. Raises `IssuerUnavailable`."""
        # RFC 6749, 2.3.1: both halves are form-encoded before they are joined.
        credentials = httpx.BasicAuth(quote_plus(client_id), quote_plus(client_secret))
        return await self._ask(
            self._client.build_request("POST", url, data=form, headers=_HEADERS), credentials
        )

    async def _ask(self, request: httpx.Request, credentials: httpx.BasicAuth | None) -> dict[str, Any]:
        url = request.url
        try:
            async with asyncio.timeout(self._timeout):
                return load_object(await self._body(request, credentials))
        except TimeoutError as error:
            raise IssuerUnavailable(f"{url} did not answer within {self._timeout} s") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise IssuerUnavailable(f"{url}: {type(error).__name__}: {error}") from error
        except AmbiguousJson as error:
            raise IssuerUnavailable(f"{url} did not answer with plain JSON: {error}") from error

    async def _body(self, request: httpx.Request, credentials: httpx.BasicAuth | None) -> bytes:
        url = request.url
        response = await self._client.send(request, stream=True, auth=credentials, follow_redirects=False)
        try:
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
        finally:
            await response.aclose()
