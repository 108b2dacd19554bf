"""The report of one run, for programs; the tables are made of it."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.conformance.gateways.gateway import Gateway
from benchmarks.conformance.results import Result, State


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class GatewayFacts(_Facts):
    """What was tested, and how it was set up."""

    name: str
    version: str
    settings: tuple[str, ...] = Field(description="What of its configuration bears on judging.")
    left_out: tuple[str, ...] = Field(description="What it could do besides and was not configured.")


class CellFacts(_Facts):
    """One cell and what came of it."""

    section: str
    route: str
    stream: bool
    n: int
    channel: str
    placement: str = Field(description="Where the forbidden phrase was, and how chunks cut it.")
    judge: str
    ending: str
    request: str = Field(description="Route, stream, n and channel in words.")
    state: State
    detail: str
    seconds: float


class ConformanceReport(_Facts):
    """One gateway under one matrix."""

    started_at: datetime
    wall_s: float
    gateway: GatewayFacts
    counts: dict[State, int]
    cells: tuple[CellFacts, ...]

    @property
    def held(self) -> bool:
        """Whether something was tried, and all of it was judged or blocked."""
        tried = [state for state in self.counts if state is not State.NOT_SUPPORTED]
        return bool(tried) and all(state.held for state in tried)


def build_report(gateway: Gateway, results: Sequence[Result], wall_s: float) -> ConformanceReport:
    """The report of a run that has just ended."""
    counts = Counter(result.state for result in results)
    return ConformanceReport(
        started_at=datetime.now(UTC) - timedelta(seconds=wall_s),
        wall_s=wall_s,
        gateway=GatewayFacts(
            name=gateway.name, version=gateway.version, settings=gateway.settings, left_out=gateway.left_out
        ),
        counts={state: counts[state] for state in State if counts[state]},
        cells=tuple(_facts(result) for result in results),
    )


def _facts(result: Result) -> CellFacts:
    cell = result.cell
    return CellFacts(
        section=cell.section,
        route=cell.route.value,
        stream=cell.stream,
        n=cell.n,
        channel=cell.channel.value,
        placement=cell.placement,
        judge=cell.judge.value,
        ending=cell.ending.value,
        request=cell.request,
        state=result.state,
        detail=result.detail,
        seconds=round(result.seconds, 3),
    )
