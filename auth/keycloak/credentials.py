"""Credentials that commands leave for one another, in files of mode 0600."""

from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class UnusableCredentials(Exception):  # noqa: N818 - says what is the case
    """The file is missing, broken or readable by others; the message names it."""


class Administrator(BaseModel):
    """A user of the master realm that may administer the realm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str
    password: str = Field(repr=False)


class ClientCredentials(BaseModel):
    """A confidential client and its secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str
    client_secret: str = Field(repr=False)


_OTHERS: Final = 0o077
Credentials = TypeVar("Credentials", bound=BaseModel)


def read_administrator(path: Path) -> Administrator:
    """Raises `UnusableCredentials`."""
    return _read(path, Administrator)


def read_client(path: Path) -> ClientCredentials:
    """Raises `UnusableCredentials`."""
    return _read(path, ClientCredentials)


def _read(path: Path, kind: type[Credentials]) -> Credentials:
    try:
        if path.stat().st_mode & _OTHERS:
            raise UnusableCredentials(f"{path} may be read by others; make it mode 0600")
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UnusableCredentials(f"{path} does not exist") from error
    except (OSError, ValidationError) as error:
        raise UnusableCredentials(f"{path} does not hold {', '.join(kind.model_fields)}") from error
