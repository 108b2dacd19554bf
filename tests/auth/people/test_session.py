"""The session on disk: private, of one issuer, renewed, and gone after logging out."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.client import TokenRefused
from auth.people.session import NotLoggedIn, PersonSession, SessionFile, StoredSession

ISSUER = "https://sso.test/realms/mizan"


class Issuer:
    """A token endpoint that hands out a new refresh token every time and takes each only once."""

    def __init__(self) -> None:
        self.current = "r0"
        self.forms: list[dict[str, str]] = []
        self.revoked: list[str] = []
        self.down = False

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("connection refused")
        if request.method == "GET":
            names = ("token_endpoint", "revocation_endpoint", "device_authorization_endpoint")
            return self._answer({"issuer": ISSUER} | {name: f"{ISSUER}/{name}" for name in names})
        form = dict(httpx.QueryParams(request.content.decode()))
        self.forms.append(form)
        if request.url.path.endswith("revocation_endpoint"):
            self.revoked.append(form["token"])
            return self._answer({})
        if form["refresh_token"] != self.current:
            return self._answer({"error": "invalid_grant", "error_description": "Stale token"}, 400)
        self.current = f"r{len(self.forms)}"
        return self._answer({"access_token": "a", "expires_in": 300, "refresh_token": self.current})

    @staticmethod
    def _answer(content: dict[str, Any], status: int = 200) -> httpx.Response:
        return httpx.Response(status, content=json.dumps(content))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def file(tmp_path: Path) -> SessionFile:
    return SessionFile(tmp_path / "state" / "session.json")


@pytest.fixture
def session(issuer: Issuer, file: SessionFile) -> PersonSession:
    file.save(StoredSession(issuer=ISSUER, client_id="mizan-cli", refresh_token="r0"))
    return PersonSession(
        issuer.client(), ISSUER, "mizan-cli", file, scope="administration", narrow_scope="profile"
    )


def test_a_rotating_refresh_token_is_kept(session: PersonSession, issuer: Issuer, file: SessionFile) -> None:
    for _ in range(3):
        assert session.token().access_token == "a"
    stored = file.load()
    assert stored is not None
    assert stored.refresh_token == issuer.current
    assert "r3" not in repr(stored)


def test_tokens_are_narrow_unless_all_is_needed(session: PersonSession, issuer: Issuer) -> None:
    session.token()
    session.token(whole=True)
    assert [form.get("scope") for form in issuer.forms] == ["profile", None]


def test_the_file_is_private(session: PersonSession, tmp_path: Path) -> None:
    path = tmp_path / "state" / "session.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(NotLoggedIn, match="may be read by others"):
        session.token()


def test_nobody_is_logged_in(session: PersonSession, file: SessionFile) -> None:
    assert session.log_out()
    with pytest.raises(NotLoggedIn, match="nobody is logged in"):
        session.token()
    assert not session.log_out()


def test_a_session_that_the_issuer_has_ended(session: PersonSession, issuer: Issuer) -> None:
    issuer.current = "another"
    with pytest.raises(NotLoggedIn, match="has ended"):
        session.token()


def test_an_outage_does_not_end_a_session(session: PersonSession, issuer: Issuer) -> None:
    issuer.down = True
    with pytest.raises(TokenRefused, match="connection refused"):
        session.token()
    issuer.down = False
    session.token()


def test_a_session_of_another_issuer_is_not_sent_to_this_one(
    session: PersonSession, issuer: Issuer, file: SessionFile
) -> None:
    file.save(
        StoredSession(issuer="https://other.test/", client_id="mizan-cli", refresh_token="other's secret")
    )
    with pytest.raises(NotLoggedIn, match=r"https://other\.test/"):
        session.token()
    assert session.log_out()
    assert issuer.forms == []


def test_logging_out_tells_the_issuer(session: PersonSession, issuer: Issuer) -> None:
    session.token()
    session.log_out()
    assert issuer.revoked == ["r1"]


def test_logging_out_during_an_outage_forgets_and_says_so(
    session: PersonSession, issuer: Issuer, file: SessionFile
) -> None:
    issuer.down = True
    with pytest.raises(TokenRefused):
        session.log_out()
    assert file.load() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"issuer": "x"}'])
def test_a_broken_file_is_named(content: str, session: PersonSession, tmp_path: Path) -> None:
    path = tmp_path / "state" / "session.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(NotLoggedIn, match="holds no session"):
        session.token()
