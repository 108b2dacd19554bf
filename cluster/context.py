"""What every command receives: the settings, and the file they came from."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from auth.settings import IdentitySettings
from models.settings import ModelsSettings
from serving.settings import Settings, load


@dataclass
class Context:
    """Loads the settings when they are first asked for, so that `--help` works beside a broken file."""

    config: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        return load(self.config)

    @property
    def models(self) -> ModelsSettings:
        return self.settings.models

    @property
    def policies(self) -> Path:
        return self.settings.policies

    @property
    def identity(self) -> IdentitySettings:
        return self.settings.identity
