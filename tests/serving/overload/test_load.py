"""What counts as pressure on the judge."""

import pytest

from serving.overload.load import JudgeLoad
from serving.overload.settings import OverloadSettings


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def load(clock: Clock) -> JudgeLoad:
    return JudgeLoad(OverloadSettings(max_checks=20, max_latency=10, window_seconds=10), clock)


def checks(load: JudgeLoad, clock: Clock, seconds: float, count: int, *, completed: bool = True) -> None:
    numbers = [load.begin() for _ in range(count)]
    clock.now += seconds
    for number in numbers:
        load.end(number, completed=completed)


def test_at_rest(load: JudgeLoad) -> None:
    assert load.pressure() == 0


def test_checks_under_way(load: JudgeLoad, clock: Clock) -> None:
    numbers = [load.begin() for _ in range(15)]
    assert load.pressure() == 0.75
    for number in numbers:
        load.end(number, completed=True)
    assert load.pressure() == 0


def test_the_median_of_recent_checks(load: JudgeLoad, clock: Clock) -> None:
    checks(load, clock, 2, 3)
    checks(load, clock, 6, 4)
    assert load.latency() == 6
    assert load.pressure() == 0.6


def test_what_is_long_past_is_forgotten(load: JudgeLoad, clock: Clock) -> None:
    checks(load, clock, 9, 10)
    clock.now += 10.5
    assert load.pressure() == 0


def test_few_checks_say_nothing(load: JudgeLoad, clock: Clock) -> None:
    checks(load, clock, 60, 4)
    assert load.latency() == 0


def test_checks_that_hang_count_before_they_end(load: JudgeLoad, clock: Clock) -> None:
    for _ in range(6):
        load.begin()
    clock.now += 6
    assert load.latency() == 0
    clock.now += 6
    assert load.latency() == 12


def test_checks_given_up_by_their_clients_say_nothing(load: JudgeLoad, clock: Clock) -> None:
    checks(load, clock, 60, 10, completed=False)
    assert load.pressure() == 0
    assert load.checks == 0
