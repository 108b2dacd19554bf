"""The issuer's keys on disk, so that a restart during an outage stops nobody who holds a valid token."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from auth.keys import PublishedKeys, UnsuitableKey, read_keys
from auth.private_file import write_private

_log = structlog.get_logger("mizan.auth.keys")


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """Keys and when they were read, in seconds since the epoch."""

    keys: PublishedKeys
    read_at: float


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str
    read_at: float
    keys: tuple[dict[str, Any], ...]


class KeyFile:
    """Public keys only; a file of another issuer is ignored. Whoever may write it decides whom to trust."""

    def __init__(self, path: Path, issuer: str) -> None:
        self._path = path
        self._issuer = issuer

    def load(self) -> KeptKeys | None:
        """What was last saved, if it can be used."""
        try:
            if self._path.stat().st_mode & 0o022:
                _log.warning("keys_file_ignored", path=str(self._path), problem="others may write it")
                return None
            content = _Content.model_validate_json(self._path.read_bytes())
            keys = read_keys({"keys": list(content.keys)})
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, UnsuitableKey):
            _log.warning("keys_file_ignored", path=str(self._path), problem="it cannot be read")
            return None
        return KeptKeys(keys, content.read_at) if content.issuer == self._issuer else None

    def save(self, keys: PublishedKeys, read_at: float) -> None:
        """Replace the file. A full disk is logged, not raised: the keys in memory still hold."""
        entries = tuple(dict(entry) for entry in keys.entries)
        content = _Content(issuer=self._issuer, read_at=read_at, keys=entries)
        try:
            write_private(self._path, content.model_dump_json())
        except OSError as error:
            _log.error("keys_not_saved", path=str(self._path), problem=error.strerror)
