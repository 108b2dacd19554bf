from dataclasses import replace
from time import perf_counter

import pytest
from rich.console import Console

from benchmarks.arms.arm import Arm
from benchmarks.errors import InvalidPlanError, SilentTargetError
from benchmarks.load.arrivals import Budget, ClosedLoop
from benchmarks.load.plan import Plan
from benchmarks.load.records import RequestRecord
from benchmarks.load.request import RequestShape, compose
from benchmarks.load.sweep import run_sweep
from benchmarks.scenarios.scenario import load_prompts
from benchmarks.simulated_server import Behaviour
from tests.benchmarks.conftest import Simulate

PLAN = Plan((1, 2), 4, None, 2, 1, 20, 60, RequestShape(max_tokens=4))
PROMPTS = load_prompts(())


class Watched:
    def __init__(self) -> None:
        self.labels: list[str] = []
        self.records: list[RequestRecord] = []

    def begin(self, label: str, requests: int | None, duration_s: float | None) -> None:
        self.labels.append(label)

    def seen(self, record: RequestRecord) -> None:
        self.records.append(record)

    def end(self) -> None: ...


async def test_arms_take_turns(simulate: Simulate) -> None:
    first = replace(await simulate(Behaviour()), name="a")
    second = replace(await simulate(Behaviour(judged=True)), name="b")
    watched = Watched()
    sweep = await run_sweep(PLAN, [first, second], PROMPTS, watched)
    assert [(done.concurrency, done.index, done.arm) for done in sweep.rounds] == [
        (users, index, arm) for users in (1, 2) for index in (0, 1) for arm in "ab"
    ]
    assert all(len(done.records) == 2 for done in sweep.rounds)
    assert len(watched.records) == 2 * (1 + 4 + 4)
    assert watched.labels[:3] == ["a warm-up", "b warm-up", "a × 1, round 1/2"]
    assert not sweep.truncated
    a, b = sweep.rounds[:2]
    assert [record.prompt for record in a.records] == [record.prompt for record in b.records]


async def test_a_level_may_end_by_time(simulate: Simulate) -> None:
    plan = replace(PLAN, concurrency=(2,), requests=None, duration_s=2, rounds=1, warmup=0)
    sweep = await run_sweep(plan, [await simulate(Behaviour(first_token_ms=20))], PROMPTS, Watched())
    (done,) = sweep.rounds
    assert done.wall_s >= 2
    assert len(done.records) >= 2


async def test_the_whole_run_ends_in_time(simulate: Simulate) -> None:
    plan = replace(PLAN, requests=20_000, max_time_s=1, rounds=1, warmup=0)
    sweep = await run_sweep(plan, [await simulate(Behaviour(first_token_ms=10))], PROMPTS, Watched())
    assert sweep.truncated
    assert 0 < sum(len(done.records) for done in sweep.rounds) < 20_000


async def test_a_target_that_answers_nothing_is_not_measured(simulate: Simulate) -> None:
    arm = await simulate(Behaviour(error_every=1))
    with pytest.raises(SilentTargetError, match="none of its 1 warm-up"):
        await run_sweep(PLAN, [arm], PROMPTS, Watched())


async def test_a_closed_loop_hands_out_its_budget() -> None:
    loop = ClosedLoop(3, Budget(2, None, perf_counter() + 60))
    tickets = [await loop.next() for _ in range(4)]
    assert [None if ticket is None else ticket.sequence for ticket in tickets] == [0, 1, None, None]
    assert await ClosedLoop(1, Budget(5, None, perf_counter() - 1)).next() is None


def test_requests_are_shared_out_over_rounds() -> None:
    plan = replace(PLAN, requests=11, rounds=4)
    assert [plan.requests_in_round(index) for index in range(4)] == [3, 3, 3, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": ()},
        {"concurrency": (0,)},
        {"concurrency": (257,)},
        {"requests": None},
        {"requests": 0},
        {"requests": 10**9},
        {"requests": 3},
        {"duration_s": 1e9},
        {"rounds": 0},
        {"warmup": -1},
        {"timeout_s": 0.0},
        {"max_time_s": 1e9},
        {"shape": RequestShape(max_tokens=0)},
    ],
)
def test_plans_out_of_bounds(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidPlanError):
        replace(PLAN, **wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_prompts_are_unique_unless_asked_otherwise() -> None:
    arm, other = Arm("a", "http://127.0.0.1/v1", "m"), Arm("b", "http://127.0.0.1/v1", "m")
    shape = RequestShape()

    def text(shape: RequestShape, arm: Arm, scope: str) -> object:
        return compose(shape, PROMPTS, arm, scope, 0).body["messages"]

    assert text(shape, arm, "1/0") == text(shape, arm, "1/0")
    assert text(shape, arm, "1/0") != text(shape, other, "1/0")
    plain = replace(shape, unique_prompts=False)
    assert text(plain, arm, "1/0") == text(plain, other, "1/0")


def test_progress_in_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.reports.progress import SweepProgress  # noqa: PLC0415  # console made after capture began

    with SweepProgress(Console(force_terminal=False)) as progress:
        progress.begin("a × 1, round 1/1", 2, None)
        progress.end()
    assert "a × 1, round 1/1: 0 requests" in capsys.readouterr().out
