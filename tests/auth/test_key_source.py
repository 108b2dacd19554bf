"""What an issuer, or somebody in its place, may answer when its keys are asked for."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from auth.issuer_address import check_address, is_loopback_host
from auth.issuer_http import MAX_RESPONSE_BYTES
from auth.key_source import HttpKeySource
from auth.keys import MAX_KEYS
from auth.refusals import IssuerUnavailable

from .forging import ISSUER, FakeIssuer, Forge, streamed


def source(issuer: FakeIssuer, **changes: Any) -> HttpKeySource:
    return HttpKeySource(httpx.AsyncClient(transport=issuer.transport()), ISSUER, **changes)


async def problem(issuer: FakeIssuer, **changes: Any) -> str:
    with pytest.raises(IssuerUnavailable) as refusal:
        await source(issuer, **changes).read()
    return refusal.value.detail


async def test_sorts_usable_keys_from_others(issuer: FakeIssuer) -> None:
    keys = await source(issuer).read()
    assert set(keys.usable) == {"rsa", "rsa-only-rs256", "ec", "p384", "ed"}
    assert keys.unsuitable["weak"] == "the RSA key has 1024 bits"
    assert keys.unsuitable["private"] == "the issuer publishes private key material"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: httpx.Response(302, headers={"Location": "https://evil.test/"}), "answered 302"),
        (lambda: httpx.Response(500), "answered 500"),
        (lambda: streamed(b"x" * (MAX_RESPONSE_BYTES + 1)), f"more than {MAX_RESPONSE_BYTES} bytes"),
        (lambda: streamed(b"{}", headers={"Content-Encoding": "gzip"}), "compressed"),
        (lambda: streamed(b"<html>"), "plain JSON"),
        (lambda: streamed(b'{"issuer": "a", "issuer": "b"}'), "plain JSON"),
        (lambda: streamed(b"[]"), "plain JSON"),
    ],
    ids=["redirect", "error", "oversized", "compressed", "HTML", "duplicate member", "array"],
)
async def test_unacceptable_answers(
    answer: Callable[[], httpx.Response], message: str, issuer: FakeIssuer
) -> None:
    issuer.answer = answer
    assert message in await problem(issuer)


async def test_issuer_behind_a_proxy_shows_both_values(issuer: FakeIssuer) -> None:
    issuer.metadata = {"issuer": "http://keycloak:8080/realms/mizan"}
    message = await problem(issuer)
    assert "http://keycloak:8080/realms/mizan" in message
    assert ISSUER in message


@pytest.mark.parametrize(
    ("jwks_uri", "message"),
    [
        (None, "names no jwks_uri"),
        (7, "names no jwks_uri"),
        ("http://issuer.test/certs", "must use https"),
        ("https://elsewhere.test/certs", "on another host"),
        ("https://issuer.test:8443/certs", "on another host"),
        ("file:///etc/passwd", "not an http(s) URL"),
        ("https://user:secret@issuer.test/certs", "neither credentials"),
    ],
)
async def test_unacceptable_jwks_uri(jwks_uri: object, message: str, issuer: FakeIssuer) -> None:
    issuer.metadata = {"jwks_uri": jwks_uri}
    assert message in await problem(issuer)
    assert issuer.readings == 0


async def test_keys_on_another_host_if_configured(issuer: FakeIssuer) -> None:
    keys = await source(issuer, jwks_url="https://keys.test/certs").read()
    assert "rsa" in keys.usable
    assert issuer.requests == ["/certs"]


async def test_discovery_at_an_internal_address(issuer: FakeIssuer) -> None:
    internal = "https://keycloak.internal/realms/mizan/.well-known/openid-configuration"
    issuer.metadata = {"jwks_uri": "https://keycloak.internal/realms/mizan/certs"}
    assert "rsa" in (await source(issuer, discovery_url=internal).read()).usable


async def test_metadata_is_asked_for_again_after_a_failure(issuer: FakeIssuer) -> None:
    keys = source(issuer)
    await keys.read()
    issuer.down = True
    with pytest.raises(IssuerUnavailable):
        await keys.read()
    issuer.down = False
    issuer.requests.clear()
    await keys.read()
    assert len(issuer.requests) == 2


async def test_slow_drip_is_cut_off() -> None:
    async def drip(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits this long")

    client = httpx.AsyncClient(transport=httpx.MockTransport(drip))
    with pytest.raises(IssuerUnavailable) as refusal:
        await HttpKeySource(client, ISSUER, timeout=0.05).read()
    assert "did not answer" in refusal.value.detail


async def test_key_set_of_absurd_size(forge: Forge, issuer: FakeIssuer) -> None:
    issuer.keys = [{"kid": str(number)} for number in range(MAX_KEYS + 1)]
    assert f"at most {MAX_KEYS}" in await problem(issuer)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.test", "127.0.0.1.evil.test", "127.1", "", "ｌocalhost"],  # noqa: S104 - must not count as loopback
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    "url", ["https://sso.example.org/realms/a", "http://127.0.0.1:8080/x", "http://[::1]:80"]
)
def test_addresses_accepted(url: str) -> None:
    assert check_address(url) == url


@pytest.mark.parametrize(
    "url",
    ["http://sso.example.org", "ftp://x", "https://", "https://a:b@c", "https://x:99999", "https://x#y", ""],
)
def test_addresses_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|https|credentials"):
        check_address(url)
