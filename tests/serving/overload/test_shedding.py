"""Lowest priority first; back again only when the pressure has clearly fallen."""

import hypothesis.strategies as st
from hypothesis import given

from serving.overload.settings import OverloadSettings
from serving.overload.shedding import Shedding

SETTINGS = OverloadSettings(spread=0.3, resume=0.8)
PRESSURES = st.lists(st.floats(0, 3), min_size=1, max_size=50)
PRIORITIES = st.integers(-100, 100)


def test_in_stages() -> None:
    shedding = Shedding(SETTINGS)
    stages = [
        [shedding.refuses(priority, pressure) for priority in (-100, 0, 100)]
        for pressure in (0.6, 0.75, 0.95, 1.0, 1.29, 1.31)
    ]
    assert stages == [
        [False, False, False],
        [True, False, False],
        [True, False, False],
        [True, True, False],
        [True, True, False],
        [True, True, True],
    ]


def test_back_in_stages_and_later_than_it_went() -> None:
    shedding = Shedding(SETTINGS)
    assert shedding.refuses(100, 1.3)
    stages = [
        [shedding.refuses(priority, pressure) for priority in (-100, 0, 100)]
        for pressure in (1.1, 1.03, 0.81, 0.79, 0.57, 0.55)
    ]
    assert stages == [
        [True, True, True],
        [True, True, False],
        [True, True, False],
        [True, False, False],
        [True, False, False],
        [False, False, False],
    ]


def test_a_pressure_that_trembles_changes_nothing() -> None:
    shedding = Shedding(SETTINGS)
    seen = [shedding.refuses(0, pressure) for pressure in (0.99, 1.01, 0.99, 1.01, 0.85, 0.99)]
    assert seen == [False, True, True, True, True, True]


@given(PRESSURES, PRIORITIES, PRIORITIES)
def test_never_the_higher_without_the_lower(pressures: list[float], one: int, other: int) -> None:
    shedding = Shedding(SETTINGS)
    for pressure in pressures:
        assert shedding.refuses(min(one, other), pressure) >= shedding.refuses(max(one, other), pressure)


@given(PRESSURES, PRIORITIES)
def test_refused_at_the_bound_and_admitted_at_rest(pressures: list[float], priority: int) -> None:
    shedding = Shedding(SETTINGS)
    for pressure in pressures:
        refused = shedding.refuses(priority, pressure)
        threshold = 1 + 0.3 * priority / 100
        assert refused or pressure < threshold
        assert not refused or pressure > threshold * 0.8 - 1e-9
    assert not shedding.refuses(priority, 0)
