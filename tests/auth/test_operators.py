"""Who gets to the routes for operators: verified, with a role, and still standing by the issuer's word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.assembly import build_operator_guard
from auth.keycloak.credentials import ClientCredentials
from auth.operators import OperatorGuard
from auth.private_file import write_private
from auth.refusals import Denial, Forbidden, IssuerUnavailable, TokenFault, Unauthenticated
from auth.settings import IdentitySettings

from .clocks import FakeClock
from .conftest import MakeVerifier
from .forging import ISSUER, FakeIssuer, Forge

ENDPOINT = f"{ISSUER}/introspect"


class Introspection:
    """An issuer's introspection endpoint whose answer can be changed."""

    def __init__(self) -> None:
        self.answer: Any = {}
        self.status = 200
        self.metadata: dict[str, Any] = {"issuer": ISSUER, "introspection_endpoint": ENDPOINT}
        self.asked: list[httpx.Request] = []

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(
                200, stream=httpx.ByteStream(httpx.Response(200, json=self.metadata).content)
            )
        self.asked.append(request)
        content = httpx.Response(200, json=self.answer).content
        return httpx.Response(self.status, stream=httpx.ByteStream(content))


@pytest.fixture
def introspection() -> Introspection:
    return Introspection()


@pytest.fixture
def guard(make_verifier: MakeVerifier, introspection: Introspection, tmp_path: Path) -> OperatorGuard:
    credentials = ClientCredentials(client_id="mizan", client_secret="s/ecret")
    write_private(tmp_path / "client.json", credentials.model_dump_json())
    settings = IdentitySettings.model_validate(
        {
            "issuer": ISSUER,
            "embedded": {"enabled": False},
            "claims": "keycloak",
            "introspection_file": tmp_path / "client.json",
        }
    )
    return build_operator_guard(
        settings, make_verifier(claims="keycloak"), transport=introspection.transport()
    )


def roles(*names: str) -> dict[str, Any]:
    return {"resource_access": {"mizan": {"roles": list(names)}}}


@pytest.fixture
def bearer(forge: Forge) -> Callable[..., list[str]]:
    def make(*names: str) -> list[str]:
        return [f"Bearer {forge.sign(claims=forge.claims(**roles(*names)))}"]

    return make


async def test_an_operator_who_still_stands(
    guard: OperatorGuard, introspection: Introspection, bearer: Callable[..., list[str]], forge: Forge
) -> None:
    introspection.answer = {"active": True, "sub": forge.claims()["sub"], **roles("supervisor", "admin")}
    headers = bearer("supervisor")
    principal = await guard.require(headers, "supervisor", "admin")
    assert principal.scopes == {"supervisor"}
    (request,) = introspection.asked
    assert request.headers["authorization"] == httpx.BasicAuth("mizan", "s%2Fecret")._auth_header
    assert httpx.QueryParams(request.content.decode())["token"] == headers[0].removeprefix("Bearer ")


async def test_every_request_asks_again(
    guard: OperatorGuard, introspection: Introspection, bearer: Callable[..., list[str]], forge: Forge
) -> None:
    introspection.answer = {"active": True, "sub": forge.claims()["sub"], **roles("admin")}
    headers = bearer("admin")
    await guard.require(headers, "admin")
    introspection.answer = {"active": False}
    with pytest.raises(Unauthenticated) as refusal:
        await guard.require(headers, "admin")
    assert refusal.value.fault is TokenFault.REVOKED
    assert len(introspection.asked) == 2


async def test_a_role_that_was_taken_away(
    guard: OperatorGuard, introspection: Introspection, bearer: Callable[..., list[str]], forge: Forge
) -> None:
    introspection.answer = {"active": True, "sub": forge.claims()["sub"], **roles("supervisor")}
    with pytest.raises(Forbidden) as refusal:
        await guard.require(bearer("supervisor", "admin"), "admin")
    assert refusal.value.denial is Denial.SCOPE


async def test_a_role_that_only_the_issuer_knows_is_not_enough(
    guard: OperatorGuard, introspection: Introspection, bearer: Callable[..., list[str]]
) -> None:
    """The token was made for less; and whoever holds no role must not make the issuer work."""
    introspection.answer = {"active": True, **roles("admin")}
    with pytest.raises(Forbidden):
        await guard.require(bearer("usage", "supervisor"), "admin")
    assert introspection.asked == []


async def test_a_forged_token_never_reaches_the_issuer(
    guard: OperatorGuard, introspection: Introspection, bearer: Callable[..., list[str]]
) -> None:
    with pytest.raises(Unauthenticated):
        await guard.require([bearer("admin")[0][:-8] + "AAAAAAAA"], "admin")
    assert introspection.asked == []


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, {"active": True}),
        (401, {"active": True}),
        (302, {"active": True}),
        (200, {"active": True, "sub": "somebody else"}),
        (200, {"active": True}),
        (200, []),
        (200, "true"),
    ],
)
async def test_doubt_lets_nobody_through(
    status: int,
    answer: Any,
    guard: OperatorGuard,
    introspection: Introspection,
    bearer: Callable[..., list[str]],
) -> None:
    introspection.status, introspection.answer = status, answer
    if isinstance(answer, dict):
        answer.update(roles("admin"))
    with pytest.raises(IssuerUnavailable):
        await guard.require(bearer("admin"), "admin")


@pytest.mark.parametrize("active", ["true", 1, None])
async def test_active_means_true(
    active: Any, guard: OperatorGuard, introspection: Introspection, bearer: Callable[..., list[str]]
) -> None:
    introspection.answer = {"active": active, **roles("admin")}
    with pytest.raises(Unauthenticated):
        await guard.require(bearer("admin"), "admin")


async def test_an_endpoint_on_another_host_is_not_asked(
    guard: OperatorGuard, introspection: Introspection, bearer: Callable[..., list[str]]
) -> None:
    introspection.metadata["introspection_endpoint"] = "https://evil.test/introspect"
    with pytest.raises(IssuerUnavailable) as refusal:
        await guard.require(bearer("admin"), "admin")
    assert "introspection_url" in refusal.value.detail
    assert introspection.asked == []


async def test_missing_or_readable_credentials_are_named(
    guard: OperatorGuard, bearer: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "client.json").chmod(0o644)
    with pytest.raises(IssuerUnavailable) as refusal:
        await guard.require(bearer("admin"), "admin")
    assert "may be read by others" in refusal.value.detail


async def test_without_a_way_to_ask_nobody_gets_through(
    make_verifier: MakeVerifier, bearer: Callable[..., list[str]], clock: FakeClock, issuer: FakeIssuer
) -> None:
    settings = IdentitySettings.model_validate({"issuer": ISSUER, "embedded": {"enabled": False}})
    closed = build_operator_guard(settings, make_verifier(claims="keycloak"))
    with pytest.raises(IssuerUnavailable) as refusal:
        await closed.require(bearer("admin"), "admin")
    assert "introspection_file" in refusal.value.detail
