"""The development issuer against RFC 6749, RFC 9068 and OpenID Connect Discovery, over real HTTP."""

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from auth.assembly import build_verifier
from auth.client import TokenRefused, TokenSource, request_token

from .conftest import RunningIssuer

CLIENT = "khouribga-assistant"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield client


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def ask(
    http: httpx.Client, issuer: RunningIssuer, form: dict[str, Any], headers: dict[str, str] | None = None
) -> httpx.Response:
    return http.post(f"{issuer.url}/token", data=form, headers=headers)


def test_metadata(http: httpx.Client, issuer: RunningIssuer) -> None:
    metadata = http.get(f"{issuer.url}/.well-known/openid-configuration").json()
    assert metadata["issuer"] == issuer.url
    assert metadata["jwks_uri"] == f"{issuer.url}/jwks"
    assert metadata["grant_types_supported"] == ["client_credentials"]
    assert set(metadata["token_endpoint_auth_methods_supported"]) == {
        "client_secret_basic",
        "client_secret_post",
    }


def test_key_set_is_public(http: httpx.Client, issuer: RunningIssuer) -> None:
    (key,) = http.get(f"{issuer.url}/jwks").json()["keys"]
    assert key.keys() == {"kty", "n", "e", "kid", "use", "alg"}
    assert (key["use"], key["alg"]) == ("sig", "RS256")


@pytest.mark.parametrize("method", ["basic", "post"])
def test_token_of_a_tenants_application(method: str, http: httpx.Client, issuer: RunningIssuer) -> None:
    form = {"grant_type": "client_credentials"}
    if method == "post":
        answer = ask(http, issuer, form | {"client_id": CLIENT, "client_secret": issuer.secret()})
    else:
        answer = ask(http, issuer, form, basic(CLIENT, issuer.secret()))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, "chat moderate usage")
    keys = KeySet.import_key_set(http.get(f"{issuer.url}/jwks").json())
    token = jwt.decode(body["access_token"], keys, algorithms=["RS256"])
    assert token.header["typ"] == "at+jwt"
    assert token.claims["exp"] - token.claims["iat"] == 300
    assert token.claims["client_id"] == token.claims["azp"] == token.claims["sub"] == CLIENT
    assert token.claims["tenant"] == "khouribga"
    assert token.claims["aud"] == ["mizan"]
    assert token.claims["jti"]


def test_fewer_scopes_on_request(http: httpx.Client, issuer: RunningIssuer) -> None:
    form = {"grant_type": "client_credentials", "scope": "chat"}
    assert ask(http, issuer, form, basic(CLIENT, issuer.secret())).json()["scope"] == "chat"


def test_operators_token_names_no_tenant(http: httpx.Client, issuer: RunningIssuer) -> None:
    form = {"grant_type": "client_credentials"}
    answer = ask(http, issuer, form, basic("mizan-operator", issuer.secret("mizan-operator"))).json()
    keys = KeySet.import_key_set(http.get(f"{issuer.url}/jwks").json())
    claims = jwt.decode(answer["access_token"], keys, algorithms=["RS256"]).claims
    assert "tenant" not in claims
    assert claims["scope"] == "admin supervisor usage"


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        ({}, "good", 400, "invalid_request"),
        ({"grant_type": ""}, "good", 400, "invalid_request"),
        ({"grant_type": "password"}, "good", 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "chat admin"}, "good", 400, "invalid_scope"),
        ({"grant_type": ["client_credentials", "password"]}, "good", 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_secret": "x"}, "good", 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "safi-assistant"}, "good", 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, None, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, "wrong", 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, "empty", 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, "unknown", 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, "bearer", 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, "no base64", 401, "invalid_client"),
        (
            {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": "é"},
            None,
            401,
            "invalid_client",
        ),
        ({f"field{number}": "x" for number in range(40)}, "good", 400, "invalid_request"),
        ({"grant_type": "x" * 20_000}, "good", 400, "invalid_request"),
    ],
)
def test_errors(  # noqa: PLR0917 - pytest passes by name
    form: dict[str, Any],
    headers: str | None,
    status: int,
    error: str,
    http: httpx.Client,
    issuer: RunningIssuer,
) -> None:
    authorizations = {
        "good": basic(CLIENT, issuer.secret()),
        "wrong": basic(CLIENT, "wrong"),
        "empty": basic(CLIENT, ""),
        "unknown": basic("nobody", issuer.secret()),
        "bearer": {"Authorization": "Bearer x"},
        "no base64": {"Authorization": "Basic ???"},
        None: {},
    }
    answer = ask(http, issuer, form, authorizations[headers])
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_body_must_be_a_form(http: httpx.Client, issuer: RunningIssuer) -> None:
    answer = http.post(f"{issuer.url}/token", json={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_client_library_of_our_own(http: httpx.Client, issuer: RunningIssuer) -> None:
    source = TokenSource(http, issuer.url, CLIENT, issuer.secret())
    token = source.token()
    assert source.token() is token
    assert token.expires_at > time.time() + 200
    with pytest.raises(TokenRefused, match="invalid_client"):
        request_token(http, f"{issuer.url}/token", CLIENT, "wrong")
    with pytest.raises(TokenRefused, match="not"):
        TokenSource(http, issuer.url + "/", CLIENT, issuer.secret()).token()


async def test_its_tokens_verify(issuer: RunningIssuer) -> None:
    with httpx.Client(trust_env=False, timeout=60) as http:
        token = TokenSource(http, issuer.url, CLIENT, issuer.secret()).token()
    verifier = build_verifier(issuer.settings)
    try:
        found = await verifier.verify([f"Bearer {token.value}"])
    finally:
        await verifier.close()
    assert (found.tenant, found.application) == ("khouribga", CLIENT)
    assert found.scopes == {"chat", "moderate", "usage"}


def test_state_is_private(issuer: RunningIssuer) -> None:
    directory = issuer.settings.embedded.state_dir
    assert directory.stat().st_mode & 0o077 == 0
    assert (directory / "issuer.json").stat().st_mode & 0o777 == 0o600
    assert issuer.secret() not in repr(issuer.state())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "listens on loopback only"),  # noqa: S104 - refused
        (["--host", "example.org"], "listens on loopback only"),
        (["--production"], "does not start in production mode"),
        (["--tenants-file", "nothing.yaml"], "No such file"),
    ],
)
def test_refuses_to_start(
    arguments: list[str], message: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state_dir = tmp_path_factory.mktemp("refused")
    command = [sys.executable, "-m", "auth.issuer", "--state-dir", str(state_dir), "--port", "9", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own command
    assert result.returncode == 2
    assert message in result.stdout
    assert not list(state_dir.iterdir())
