"""Schema of a catalog entry: everything Mizan must know about a model before it may serve it."""

import hashlib
import json
from typing import Literal, Self

from pydantic import Field, model_validator

from models.schema.conversion import GgufConversion
from models.schema.engine import Accelerator, EngineArguments, EngineValue, ReplicaResources
from models.schema.origin import Artefact, HubSource, PackageSource, Source
from models.schema.strict import Identifier, InsidePath, Strict, Version

JudgeFamily = Literal["mizan", "yes_no", "llama_guard", "granite_guardian", "qwen3guard", "shieldgemma"]


class Licence(Strict):
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


class ModelEntry(Strict):
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

    def engine_args(self, accelerator: Accelerator) -> dict[str, EngineValue]:
        """Arguments for vLLM's AsyncEngineArgs, `max_model_len` among them: what is judged is cut to it."""
        chosen = self.engine.cpu if accelerator == "cpu" else self.engine.gpu
        return {"max_model_len": self.context_length, **self.engine.common, **chosen}

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
