"""Mizan under a reduced matrix: whatever arrives was judged, or it was blocked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.conformance import matrix
from benchmarks.conformance.cells import Cell, Ending, JudgeState
from benchmarks.conformance.gateways.gateway import Gateway
from benchmarks.conformance.results import State
from benchmarks.conformance.run import Run
from benchmarks.conformance.upstream.listening import Upstream, scripted_upstream
from tests.benchmarks.conformance.gateway_in_process import gateway_on

PATIENCE = 240.0
STATES = tuple(state for state in JudgeState if state is not JudgeState.HANGING)
"""A hanging judge is waited for; it is asked only by clients that leave."""


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with scripted_upstream() as started:
        yield started


@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant"], ids=["window", "gate"])
async def test_nothing_unjudged_leaves(upstream: Upstream, tmp_path: Path, application: str) -> None:
    cells = [cell for cell in matrix.reduced(STATES) if cell.ending is not Ending.GATEWAY_KILLED]
    if application == "jorf-assistant":
        # One mode is asked about everything, the other about what differs: when it releases.
        cells = [cell for cell in cells if cell.judge is JudgeState.HEALTHY]
    async with gateway_on(upstream, tmp_path, application) as gateway:
        results = await Run(gateway, upstream, patience=PATIENCE).run(cells)
    fine = {State.JUDGED, State.BLOCKED, State.NOT_SUPPORTED}
    wrong = [f"{one.state}: {one.cell.title}: {one.detail}" for one in results if one.state not in fine]
    assert not wrong, "\n".join(wrong)
    innocent = [one.state for one in results if one.cell.innocent and one.state is not State.NOT_SUPPORTED]
    assert innocent
    assert set(innocent) == {State.JUDGED}
    offered = {(r.cell.route, r.cell.channel) for r in results if r.state is not State.NOT_SUPPORTED}
    assert offered == set(matrix.SPEAKING)


async def test_a_tenant_that_only_observes_is_seen_to_leak(upstream: Upstream, tmp_path: Path) -> None:
    """The suite finds what it looks for: the same gateway, told to release at once."""
    cells = [Cell("faults"), Cell("faults", stream=False), Cell("faults", judge=JudgeState.DOWN)]
    async with gateway_on(upstream, tmp_path, "safi-assistant") as gateway:
        results = await Run(gateway, upstream, patience=PATIENCE).run(cells)
    assert [result.state for result in results] == [State.LEAKED] * 3


async def test_a_model_without_a_judge_leaks_everything(upstream: Upstream) -> None:
    bare = Gateway("bare", "", upstream.model_listener.url, "scripted")
    cells = [cell for cell in matrix.reduced(()) if cell.section == matrix.CUTS]
    results = await Run(bare, upstream, patience=PATIENCE).run(cells)
    assert {result.state for result in results} == {State.LEAKED}
    assert {result.detail for result in results} == {"the forbidden phrase arrived"}
