"""Who may call: 401 with a challenge, 403 with a reason, and nothing reaches a model."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.assembly import build_verifier
from auth.issuer.state import StateFile
from auth.tenants import SuspendedTenant, Tenant
from serving.gateway import create_gateway
from serving.services import Services
from serving.simulator import Script

from .conftest import MakeStack
from .gateways import CHAT, Stack, ask

ROUTES = [("POST", CHAT), ("GET", "/v1/models"), ("GET", "/v1/models/simulated")]


def refused(response: httpx.Response, stack: Stack, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["type"] == {401: "authentication_error", 403: "permission_error"}.get(status, "server_error")
    assert stack.engine.untouched
    assert stack.judge.untouched


async def call(stack: Stack, method: str, path: str, *authorization: str) -> httpx.Response:
    headers = [("authorization", value) for value in authorization]
    body: Any = ask() if method == "POST" else None
    return await stack.client(None).request(method, path, json=body, headers=headers)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_token(stack: Stack, method: str, path: str) -> None:
    response = await call(stack, method, path)
    refused(response, stack, 401, "missing_token")
    assert response.headers["www-authenticate"] == 'Bearer realm="mizan"'


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_forged_token(stack: Stack, tmp_path: Path, method: str, path: str) -> None:
    """Signed with a key of one's own, and with the issuer's key id stolen for it."""
    stranger = StateFile(tmp_path)
    stranger.update(lambda before: before.rotated(0, 60))
    kid = stack.issuer.state.read().signing_key().kid
    stranger.update(
        lambda before: before.model_copy(update={"keys": (before.keys[0].model_copy(update={"kid": kid}),)})
    )
    response = await call(stack, method, path, f"Bearer {stack.issuer.token(state=stranger)}")
    refused(response, stack, 401, "bad_signature")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_a_key_the_issuer_does_not_publish(stack: Stack, tmp_path: Path) -> None:
    stranger = StateFile(tmp_path)
    stranger.update(lambda before: before.rotated(0, 60))
    response = await call(stack, "POST", CHAT, f"Bearer {stack.issuer.token(state=stranger)}")
    refused(response, stack, 401, "unknown_key")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_an_expired_token(stack: Stack, method: str, path: str) -> None:
    response = await call(stack, method, path, f"Bearer {stack.issuer.token(age=3600)}")
    refused(response, stack, 401, "expired_token")
    assert "expired" in response.headers["www-authenticate"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_another_issuers_token(stack: Stack, method: str, path: str) -> None:
    token = stack.issuer.token(issuer="https://elsewhere.test/realms/mizan")
    response = await call(stack, method, path, f"Bearer {token}")
    refused(response, stack, 401, "wrong_issuer")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "unsupported_scheme"),
        ("Basic dTpw", "unsupported_scheme"),
        ("Bearer", "missing_token"),
        ("Bearer ", "missing_token"),
        ("Bearer a.b", "malformed_token"),
        ("Bearer a.b.c", "malformed_token"),
        ("Bearer " + "a" * 9000, "oversized_token"),
        ("Bearer sk-1234", "malformed_token"),
    ],
)
async def test_what_is_no_token_at_all(stack: Stack, header: str, code: str) -> None:
    response = await call(stack, "POST", CHAT, header)
    refused(response, stack, 401, code)
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert "sk-1234" not in response.text


async def test_two_tokens(stack: Stack) -> None:
    bearer = f"Bearer {stack.issuer.token()}"
    refused(await call(stack, "POST", CHAT, bearer, bearer), stack, 401, "several_authorization_headers")


async def test_the_body_is_not_read_before_the_token(stack: Stack) -> None:
    response = await stack.client(None).post(CHAT, content=b"x" * 10_000_000)
    refused(response, stack, 401, "missing_token")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_suspended_tenant(stack: Stack, method: str, path: str) -> None:
    response = await call(stack, method, path, f"Bearer {stack.issuer.token('closed-assistant')}")
    refused(response, stack, 403, "suspended_tenant")


async def test_an_unknown_tenant(stack: Stack) -> None:
    response = await call(stack, "POST", CHAT, f"Bearer {stack.issuer.token(tenant='nowhere')}")
    refused(response, stack, 403, "unknown_tenant")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_an_operator_may_not_chat(stack: Stack, method: str, path: str) -> None:
    response = await call(stack, method, path, f"Bearer {stack.issuer.token('mizan-operator')}")
    refused(response, stack, 403, "insufficient_scope")
    assert 'scope="chat"' in response.headers["www-authenticate"]


async def test_a_tenant_whose_policy_does_not_exist_is_not_served(stack: Stack) -> None:
    refused(await stack.chat(application="lost-assistant"), stack, 403, "unknown_policy")


async def test_the_token_decides_the_tenant(stack: Stack) -> None:
    client = stack.client("jorf-assistant")
    response = await client.post(CHAT, json=ask(user="khouribga"), headers={"x-tenant": "khouribga"})
    assert response.headers["x-mizan-policy"] == "gate@1"
    assert stack.engine.generations[0].cache_salt == "jorf"


async def test_an_issuer_that_is_away(make_stack: MakeStack) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    stack = make_stack()
    verifier = build_verifier(stack.issuer.settings, transport=httpx.MockTransport(away))
    stack.app = create_gateway(Services(**{**vars(stack.services), "verifier": verifier}))
    response = await stack.chat()
    refused(response, stack, 503, "issuer_unavailable")
    assert response.headers["retry-after"] == "5"
    assert "connection refused" not in response.text
    await verifier.close()


async def test_a_tenant_suspended_in_mid_answer_gets_nothing_more(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(answers={"": "one two three four five six seven eight nine ten " * 20}, token_delay=0.01)
    stack = make_stack(script=script)
    tenants, asked = stack.services.tenants, 0
    find = tenants.get

    def get(tenant_id: str) -> Tenant:
        nonlocal asked
        asked += 1
        if asked > 4:
            raise SuspendedTenant
        return find(tenant_id)

    monkeypatch.setattr(tenants, "get", get)
    response = await stack.chat(stream=True, max_tokens=200)
    events = [line for line in response.text.splitlines() if line.startswith("data: ")]
    assert "suspended_tenant" in events[-1]
    assert "[DONE]" not in response.text
    assert await stack.settled()
