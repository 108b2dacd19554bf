"""The development issuer's memory: signing keys and client secrets in one file of mode 0600."""

import fcntl
import secrets
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from joserfc.jwk import RSAKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from auth.private_file import write_private

STATE_FILE: Final = "issuer.json"
_KEY_BITS: Final = 2048


class UnusableState(Exception):  # noqa: N818 - says what is the case
    """The state file cannot be trusted or read; the message says why."""


class SigningKey(BaseModel):
    """One RSA key pair. `retired_at` (seconds since the epoch) is when another took over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kid: str
    private_jwk: dict[str, Any] = Field(repr=False)
    created_at: float
    retired_at: float | None = None

    @cached_property
    def private_key(self) -> RSAKey:
        """The key pair, for signing; reading it costs far more than a signature."""
        return RSAKey.import_key(self.private_jwk)

    def public_jwk(self) -> dict[str, Any]:
        """The entry of this key in the JWKS (RFC 7517)."""
        public = {name: self.private_jwk[name] for name in ("kty", "n", "e")}
        return public | {"kid": self.kid, "use": "sig", "alg": "RS256"}


class IssuerState(BaseModel):
    """Everything that survives a restart. The key without `retired_at` signs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[SigningKey, ...] = ()
    client_secrets: dict[str, str] = Field(default={}, repr=False)

    def signing_key(self) -> SigningKey:
        """The key that signs. Raises `UnusableState` before the first rotation."""
        for key in self.keys:
            if key.retired_at is None:
                return key
        raise UnusableState("the issuer has no signing key yet")

    def rotated(self, now: float, grace: float) -> "IssuerState":
        """With a new signing key; replaced keys stay for `grace` seconds."""
        kept = [
            key if key.retired_at is not None else key.model_copy(update={"retired_at": now})
            for key in self.published(now, grace)
        ]
        return self.model_copy(update={"keys": (_new_key(now), *kept)})

    def published(self, now: float, grace: float) -> tuple[SigningKey, ...]:
        """The keys a JWKS lists at `now`."""
        return tuple(key for key in self.keys if key.retired_at is None or now < key.retired_at + grace)

    def with_clients(self, client_ids: Iterable[str]) -> "IssuerState":
        """With a secret for each of `client_ids`; existing secrets stay."""
        missing = {name: secrets.token_urlsafe(32) for name in client_ids if name not in self.client_secrets}
        return self.model_copy(update={"client_secrets": self.client_secrets | missing}) if missing else self


class StateFile:
    """The state on disk, shared by the running issuer and the commands."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / STATE_FILE
        self._seen: tuple[int, int] | None = None
        self._state = IssuerState()

    def read(self) -> IssuerState:
        """The state now on disk, empty where there is none. Raises `UnusableState`."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return IssuerState()
        if status.st_mode & 0o077:
            raise UnusableState(f"{self._path} may be read by others; make it mode 0600 or delete it")
        if (status.st_mtime_ns, status.st_ino) == self._seen:
            return self._state
        try:
            self._state = IssuerState.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            raise UnusableState(f"{self._path} cannot be read; delete it to start afresh") from error
        self._seen = (status.st_mtime_ns, status.st_ino)
        return self._state

    def update(self, change: Callable[[IssuerState], IssuerState]) -> IssuerState:
        """Apply `change` under a lock and write the result atomically. Raises `UnusableState`."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.read()
            after = change(before)
            if after is not before:
                write_private(self._path, after.model_dump_json(indent=1))
            return after


def _new_key(now: float) -> SigningKey:
    key = RSAKey.generate_key(_KEY_BITS, private=True)
    return SigningKey(kid=uuid4().hex, private_jwk=dict(key.as_dict(private=True)), created_at=now)
