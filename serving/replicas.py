"""The engines as Ray Serve replicas, and what they are made of. Native and judge are the same class."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Delta, Generation, JudgeError


@dataclass(frozen=True)
class EngineSpec:
    """One engine: vLLM with its arguments, or a simulator with its script. `labels` are a judge's."""

    model: str
    arguments: dict[str, Any]
    frontend: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    script: Path | None = None


@dataclass(frozen=True)
class EngineFacts:
    """What an engine says of itself once it runs."""

    context_length: int
    reserved_tokens: tuple[str, ...]
    accepts_tools: bool = False


class ServedEngine(Protocol):
    """What a replica needs of an engine; `VllmEngine` and `SimulatedEngine` provide it."""

    @property
    def context_length(self) -> int: ...

    @property
    def accepts_tools(self) -> bool: ...

    def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]: ...

    async def score(self, questions: Sequence[Question]) -> list[LabelScores | JudgeError]: ...

    async def check_ready(self) -> None: ...

    async def check_alive(self) -> None: ...

    def assert_labels(self, labels: Sequence[str]) -> None: ...

    def reserved_tokens(self) -> tuple[str, ...]: ...

    def unfinished(self) -> int: ...

    def stop(self) -> None: ...


class EngineReplica:
    """One replica of one engine. Errors leave it mapped: vLLM's own do not unpickle elsewhere."""

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self._engine: ServedEngine | None = None

    async def start(self) -> None:
        """Load the model. A judge whose labels are not single tokens does not start."""
        self._engine = await start_engine(self._spec)
        self._engine.assert_labels(self._spec.labels)
        await self._engine.check_ready()

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        async with aclosing(self.engine.generate(generation)) as deltas:
            async for delta in deltas:
                yield delta

    async def score(self, questions: list[Question]) -> list[LabelScores | JudgeError]:
        return await self.engine.score(questions)

    async def facts(self) -> EngineFacts:
        engine = self.engine
        return EngineFacts(engine.context_length, engine.reserved_tokens(), engine.accepts_tools)

    async def check_ready(self) -> None:
        await self.engine.check_ready()

    async def unfinished(self) -> int:
        return self.engine.unfinished()

    async def check_health(self) -> None:
        """Ray Serve calls this, and replaces the replica when it raises."""
        await self.engine.check_alive()

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.stop()

    @property
    def engine(self) -> ServedEngine:
        if self._engine is None:
            raise RuntimeError("the replica has not started")
        return self._engine


async def start_engine(spec: EngineSpec) -> ServedEngine:
    """Start what the spec names. Raises whatever the engine raises at start."""
    if spec.script is not None:
        from serving.simulated_upstream import UpstreamEngine  # noqa: PLC0415  never loaded in production
        from serving.simulator import Script, SimulatedEngine  # noqa: PLC0415  as above

        script = Script.model_validate(yaml.safe_load(spec.script.read_text(encoding="utf-8")))
        return UpstreamEngine(script) if script.server else SimulatedEngine(script)
    from serving.engine import VllmEngine  # noqa: PLC0415  vllm takes 10 s to import

    return await VllmEngine.start(spec.arguments, spec.frontend, chat=not spec.labels)
