"""The report of a run as data. Its JSON form is versioned: readers look at `schema_version` first."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.metrics.metric import Better
from benchmarks.reports.machine import MachineFacts

SCHEMA_VERSION: Literal["1.0"] = "1.0"
"""Raised in its first part when a field is removed or changes meaning, in its second when one is added."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricMeaning(_Part):
    """What a metric is, so that a report can be read without its program."""

    title: str
    unit: str
    what: str
    better: Better


class Distribution(_Part):
    """Figures of single requests; a percentile too few samples can support is null."""

    count: int = Field(description="Samples.", ge=1)
    mean: float
    minimum: float
    p50: float
    p90: float | None
    p95: float | None
    p99: float | None
    maximum: float


class Comparison(_Part):
    """Ratio to the baseline arm at the same concurrency: of the medians, or of the pooled rates."""

    ratio: float
    low: float | None = Field(description="Lower end of the 95 % bootstrap interval; null: too few samples.")
    high: float | None = Field(description="Its upper end.")
    rounds: int = Field(description="Paired rounds behind it.")


class RoundFacts(_Part):
    """One round as it ran."""

    index: int
    requests: int
    wall_s: float
    client_cpu_s: float


class ArmLevel(_Part):
    """One arm at one concurrency."""

    arm: str
    concurrency: int
    requests: int
    outcomes: dict[str, int] = Field(description="Requests by outcome, all outcomes named.")
    token_sources: dict[str, int] = Field(description="Passed answers by where their token count is from.")
    failures: dict[str, int] = Field(description="The most frequent failures in words, counted.")
    rates: dict[str, float] = Field(description="Rate metrics by name.")
    distributions: dict[str, Distribution] = Field(description="Request metrics by name; absent: no samples.")
    against_baseline: dict[str, Comparison] = Field(
        description="By metric name; empty for the baseline itself."
    )
    client_cpu_share: float = Field(
        description="Client's processor time over wall time; near 1 it is the limit."
    )
    rounds: tuple[RoundFacts, ...]


class ArmFacts(_Part):
    """A target and what it said about itself. Tokens are never part of a report."""

    name: str
    base_url: str
    model: str
    authenticated: bool
    models: tuple[dict[str, object], ...]
    headers: dict[str, str]
    version: str | None


class PlanFacts(_Part):
    """What was asked for."""

    arrivals: Literal["closed-loop"]
    concurrency: tuple[int, ...]
    requests: int | None
    duration_s: float | None
    rounds: int
    warmup: int
    max_tokens: int
    temperature: float
    streamed: bool
    unique_prompts: bool
    prompts: str
    prompt_count: int
    seed: int
    timeout_s: float


class BenchmarkReport(_Part):
    """A whole run."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    started_at: datetime = Field(description="UTC.")
    wall_s: float
    truncated: bool = Field(description="The time of the whole run was up before the plan was done.")
    baseline: str
    plan: PlanFacts
    machine: MachineFacts
    arms: tuple[ArmFacts, ...]
    metrics: dict[str, MetricMeaning]
    levels: tuple[ArmLevel, ...]
    cannot_show: tuple[str, ...] = Field(description="What this kind of run is blind to.")
    warnings: tuple[str, ...]

    @property
    def failed_requests(self) -> int:
        """Requests that got no answer."""
        return sum(
            count
            for level in self.levels
            for outcome, count in level.outcomes.items()
            if outcome not in ("passed", "blocked")
        )
