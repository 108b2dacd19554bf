"""Settings of the model area."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class ModelsSettings(BaseModel):
    """Where models are kept, where they may come from and how strictly they are checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache_dir: Path = Field(
        default=Path("~/.cache/mizan"),
        validate_default=True,
        description="Folder for downloads and prepared models; these land in models/<id>/<version>.",
    )
    catalog_dir: Path | None = Field(
        default=None,
        description="Folder with further catalog entries (*.yaml). An entry here replaces a bundled one of "
        "the same id. `mizan models prepare --pin` writes here.",
    )
    production: bool = Field(
        default=False,
        description="Refuse every model whose files are not all fixed by sha256 (and hub models by commit).",
    )
    offline: bool = Field(
        default=False,
        description="Never reach out for a model: package sources use pip's find-links folders only, hub "
        "sources the local Hugging Face cache only.",
    )
    hub_endpoint: str | None = Field(
        default=None,
        description="Address of a Hugging Face mirror; empty means the hub client's own configuration.",
    )
    hub_token: SecretStr | None = Field(
        default=None, description="Token for gated models on the hub or its mirror."
    )
    start_check: Literal["full", "quick"] = Field(
        default="full",
        description="Check of a prepared model before it is served: full hashes every file, quick compares "
        "sizes and modification times and hashes only what differs.",
    )
    keep_downloads: bool = Field(
        default=False, description="Keep downloaded files after a model has been prepared from them."
    )

    @field_validator("cache_dir", "catalog_dir")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        try:
            return value.expanduser().absolute() if value is not None else None
        except RuntimeError as error:
            raise ValueError(f"{value}: there is no such home folder") from error
