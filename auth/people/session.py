"""A person's session: tokens in one file of mode 0600, refreshed when they are used."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from auth.client import TokenRefused, issuer_endpoint
from auth.people.device_grant import DeviceAuthorization, DeviceGrant, GrantedTokens
from auth.private_file import write_private

_OTHERS: Final = 0o077


class NotLoggedIn(Exception):  # noqa: N818 - says what is the case
    """There is no session that can be used; the message says why and what to do."""


class StoredSession(BaseModel):
    """What is kept of a session. The refresh token is all: access tokens live for one command."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str
    client_id: str
    refresh_token: str = Field(repr=False)


class SessionFile:
    """Where the session of this account on this machine is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> StoredSession | None:
        """The session, if there is one. Raises `NotLoggedIn` if the file must not or cannot be used."""
        try:
            if self._path.stat().st_mode & _OTHERS:
                raise NotLoggedIn(f"{self._path} may be read by others: delete it and run `mizan login`")
            return StoredSession.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise NotLoggedIn(f"{self._path} holds no session: run `mizan login`") from error

    def save(self, session: StoredSession) -> None:
        write_private(self._path, session.model_dump_json())

    def forget(self) -> bool:
        """Delete the file. Says whether there was one."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def lock(self) -> FileLock:
        """Held while the session is renewed: an issuer may let a refresh token be used once only."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self._path.with_suffix(".lock"), mode=0o600)


class PersonSession:
    """Logging in and out at one issuer, and tokens in between.

    `scope` is asked for at login. Tokens carry it only where they must: the others are narrowed to
    `narrow_scope`, so that whoever is shown one can do no more with it than it was shown for.
    """

    def __init__(
        self,
        client: httpx.Client,
        issuer: str,
        client_id: str,
        file: SessionFile,
        *,
        scope: str | None = None,
        narrow_scope: str | None = None,
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._client_id = client_id
        self._grant = DeviceGrant(client, client_id)
        self._file = file
        self._scope = scope
        self._narrow_scope = narrow_scope

    def log_in(self, tell: Callable[[DeviceAuthorization], None]) -> None:
        """Let a person approve in a browser, as `tell` explains, and keep the session.

        Raises `TokenRefused`.
        """
        endpoint = issuer_endpoint(self._client, self._issuer, "device_authorization_endpoint")
        authorization = self._grant.begin(endpoint, self._scope)
        tell(authorization)
        tokens = self._grant.wait(issuer_endpoint(self._client, self._issuer), authorization)
        if tokens.refresh_token is None:
            raise TokenRefused("the issuer gave no refresh token")
        self._file.save(self._stored(tokens.refresh_token))

    def token(self, *, whole: bool = False) -> GrantedTokens:
        """A fresh access token, with all that was asked for at login only where `whole`.

        Raises `NotLoggedIn`, or `TokenRefused` where the issuer cannot be asked.
        """
        with self._file.lock():
            session = self._load()
            try:
                endpoint = issuer_endpoint(self._client, self._issuer)
                scope = None if whole else self._narrow_scope
                tokens = self._grant.refresh(endpoint, session.refresh_token, scope)
            except TokenRefused as error:
                if str(error).startswith("invalid_grant"):
                    raise NotLoggedIn("the session has ended: run `mizan login`") from error
                raise
            if tokens.refresh_token not in (None, session.refresh_token):
                self._file.save(self._stored(str(tokens.refresh_token)))
            return tokens

    def log_out(self) -> bool:
        """End the session here and at the issuer. Says whether there was one.

        Raises `TokenRefused` if the issuer could not be told; the file is gone all the same.
        """
        session: StoredSession | None = None
        with suppress(NotLoggedIn):
            session = self._file.load()
        gone = self._file.forget()
        if session is not None and session.issuer == self._issuer:
            endpoint = issuer_endpoint(self._client, self._issuer, "revocation_endpoint")
            self._grant.revoke(endpoint, session.refresh_token)
        return gone

    def _load(self) -> StoredSession:
        session = self._file.load()
        if session is None:
            raise NotLoggedIn("nobody is logged in: run `mizan login`")
        if (session.issuer, session.client_id) != (self._issuer, self._client_id):
            raise NotLoggedIn(f"the session is one of {session.issuer}: run `mizan login`")
        return session

    def _stored(self, refresh_token: str) -> StoredSession:
        return StoredSession(issuer=self._issuer, client_id=self._client_id, refresh_token=refresh_token)
