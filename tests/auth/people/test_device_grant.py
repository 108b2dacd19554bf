"""What an issuer, or somebody in its place, may answer to the device grant."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from auth.client import TokenRefused
from auth.people.device_grant import DeviceAuthorization, DeviceGrant

URL = "https://sso.test/device"
BEGUN = {
    "device_code": "secret",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://sso.test/activate",
    "expires_in": 60,
    "interval": 5,
}
GRANTED = {"access_token": "a", "expires_in": 300, "refresh_token": "r"}


class Issuer:
    """Gives the answers one after the other; time passes only by waiting."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.forms: list[dict[str, str]] = []
        self.waits: list[float] = []
        self.client = httpx.Client(transport=httpx.MockTransport(self._handle))
        self.grant = DeviceGrant(
            self.client, "mizan-cli", sleep=self.waits.append, elapsed=lambda: sum(self.waits)
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.forms.append(dict(httpx.QueryParams(request.content.decode())))
        status, answer = self.answers.pop(0)
        return httpx.Response(status, content=answer if isinstance(answer, bytes) else json.dumps(answer))


def pending(error: str = "authorization_pending") -> tuple[int, Any]:
    return 400, {"error": error}


AUTHORIZATION = DeviceAuthorization.model_validate(BEGUN)


def test_begins_and_waits() -> None:
    issuer = Issuer((200, BEGUN), pending(), pending("slow_down"), pending(), (200, GRANTED))
    authorization = issuer.grant.begin(URL, "wide")
    assert authorization.user_code == "ABCD-EFGH"
    assert "secret" not in repr(authorization)
    tokens = issuer.grant.wait(URL, authorization)
    assert (tokens.access_token, tokens.refresh_token) == ("a", "r")
    assert issuer.waits == [5, 5, 10, 10]
    assert issuer.forms[0] == {"client_id": "mizan-cli", "scope": "wide"}
    assert issuer.forms[1]["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
    assert issuer.forms[1]["device_code"] == "secret"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (pending("access_denied"), "declined in the browser"),
        (pending("expired_token"), "nobody approved it in time"),
        ((401, {"error": "invalid_client", "error_description": "no such client"}), "no such client"),
        ((200, {"token_type": "Bearer"}), "without a token"),
        ((200, {"access_token": "a", "expires_in": -1}), "without a token"),
        ((200, b"<html>"), URL),
    ],
)
def test_ends_with_the_reason(answer: tuple[int, Any], message: str) -> None:
    with pytest.raises(TokenRefused, match=message):
        Issuer(answer).grant.wait(URL, AUTHORIZATION)


def test_gives_up_when_the_code_has_expired() -> None:
    issuer = Issuer(*[pending()] * 100)
    with pytest.raises(TokenRefused, match="in time"):
        issuer.grant.wait(URL, AUTHORIZATION)
    assert sum(issuer.waits) == 60


@pytest.mark.parametrize(
    "change",
    [
        {"verification_uri": "http://evil.test/activate"},
        {"verification_uri_complete": "javascript:alert(1)"},
        {"user_code": ""},
        {"expires_in": 0},
        {"device_code": None},
    ],
)
def test_begins_with_nothing_less(change: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused, match="RFC 8628"):
        Issuer((200, BEGUN | change)).grant.begin(URL)


@pytest.mark.parametrize("act", [lambda grant: grant.begin(URL), lambda grant: grant.refresh(URL, "r")])
def test_an_unreachable_issuer_is_a_refusal(act: Callable[[DeviceGrant], object]) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with httpx.Client(transport=httpx.MockTransport(away)) as client:
        grant = DeviceGrant(client, "mizan-cli")
        with pytest.raises(TokenRefused, match="connection refused"):
            act(grant)
        with pytest.raises(TokenRefused, match="connection refused"):
            grant.revoke(URL, "r")
