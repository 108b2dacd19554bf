"""Reading the settings: defaults, then one YAML file, then MIZAN_ environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError as UnreadableVariable

from auth import strict_yaml
from serving.settings.stack import PREFIX, Settings

CONFIG_VARIABLE = "MIZAN_CONFIG"
NOT_SETTINGS = {
    CONFIG_VARIABLE,
    "MIZAN_STACK",
    "MIZAN_PYTHON",
    "MIZAN_TORCH_LINKS",
    "MIZAN_TORCH_INDEX",
}
"""Variables of ours that are no settings: the file's path, the mark on every process of a stack, and what the
installer reads."""

MASK = "********"
"""What stands for a secret wherever settings are shown."""


class SettingsError(ValueError):
    """A setting is wrong; the message names it."""


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. `file` defaults to what MIZAN_CONFIG names. Raises SettingsError."""
    environment = os.environ if environment is None else environment
    _refuse_unknown(environment)
    if file is None and environment.get(CONFIG_VARIABLE):
        file = Path(environment[CONFIG_VARIABLE])
    try:
        return Settings(**_read(file))
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(detail) for detail in error.errors())) from error
    except UnreadableVariable as error:
        raise SettingsError(f"environment: {error}; a whole section must be a JSON object") from error


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        data = strict_yaml.load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SettingsError(f"settings file {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {file} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise SettingsError(f"settings file {file} must be a mapping")
    for name in data:
        # Names with an underscore would reach the constructor of pydantic-settings instead.
        if not isinstance(name, str) or name.startswith("_"):
            raise SettingsError(f"{name}: there is no such setting")
    _refuse_masks(data)
    return data


def _refuse_masks(data: Mapping[str, Any], above: str = "") -> None:
    """Settings that were shown and saved must not make the mask a token or a password."""
    for name, value in data.items():
        if value == MASK:
            raise SettingsError(f"{above}{name}: the secret is masked here; write it out or leave it away")
        if isinstance(value, dict):
            _refuse_masks(value, f"{above}{name}.")


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """A misspelt variable must not be ignored silently."""
    for name in environment:
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            field = name.removeprefix(PREFIX).split("__", 1)[0].lower()
            if field not in Settings.model_fields:
                raise SettingsError(f"environment variable {name}: there is no setting {field!r}")


def _sentence(detail: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "settings"
    if detail["type"] == "extra_forbidden":
        return f"{where}: there is no such setting"
    return f"{where}: {str(detail['msg']).removeprefix('Value error, ')}"
