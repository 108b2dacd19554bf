"""An arm: a named target of a run.

Two arms may be two servers (the whole stack and a bare engine) or one server under two identities: a tenant
whose policy judges in `window` mode and a tenant whose policy only observes.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.errors import InvalidArmError

_NAME = re.compile(r"[A-Za-z][\w.-]{0,31}", re.ASCII)
_OPTIONS = ("token-file", "token-env", "model")


@dataclass(frozen=True, slots=True)
class Arm:
    """A target. `base_url` ends in `/v1`, without a slash after it; `model` is "" until discovered."""

    name: str
    base_url: str
    model: str = ""
    token: str | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """What identifies the caller."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def parse_arm(text: str, environment: Mapping[str, str] = os.environ) -> Arm:
    """Reads `[NAME=]URL[,token-file=PATH][,token-env=NAME][,model=ID]`. Raises InvalidArmError.

    A token is never taken from the command line itself: other users of the machine can read that.
    """
    target, *options = text.split(",")
    name, separator, url = target.partition("=")
    if not separator or "/" in name:
        name, url = "target", target
    if not _NAME.fullmatch(name):
        raise InvalidArmError(
            f"arm name {name!r}: letters, digits, '.', '_' and '-', at most 32, a letter first"
        )
    given = dict(option.partition("=")[::2] for option in options)
    for option in given:
        if option not in _OPTIONS:
            raise InvalidArmError(f"arm {name}: unknown option {option!r}, known are {', '.join(_OPTIONS)}")
    return Arm(name, _base_url(name, url), given.get("model", ""), _token(name, given, environment))


def parse_arms(texts: list[str], environment: Mapping[str, str] = os.environ) -> tuple[Arm, ...]:
    """Reads them all; names must differ. Raises InvalidArmError."""
    arms = tuple(parse_arm(text, environment) for text in texts)
    names = [arm.name for arm in arms]
    if not arms:
        raise InvalidArmError("give at least one --arm NAME=URL")
    if len(set(names)) < len(names):
        raise InvalidArmError(f"arm names must differ, not {', '.join(names)}")
    return arms


def _base_url(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username:
        raise InvalidArmError(f"arm {name}: {url!r} is not a plain http:// or https:// URL")
    base = url.rstrip("/")
    return base if base.endswith("/v1") else f"{base}/v1"


def _token(name: str, given: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    if "token-file" in given and "token-env" in given:
        raise InvalidArmError(f"arm {name}: give token-file or token-env, not both")
    if "token-file" in given:
        try:
            token = Path(given["token-file"]).expanduser().read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArmError(f"arm {name}: token file {given['token-file']}: {error}") from error
    elif "token-env" in given:
        token = environment.get(given["token-env"], "").strip()
    else:
        return None
    if not token or not token.isascii() or any(sign.isspace() for sign in token):
        raise InvalidArmError(f"arm {name}: no usable token in its token file or environment variable")
    return token
