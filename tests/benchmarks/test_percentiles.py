import math

import pytest

from benchmarks.metrics.percentiles import percentiles


def test_of_nothing() -> None:
    assert percentiles([]) is None


def test_of_one_value_only_the_median() -> None:
    found = percentiles([7.0])
    assert found is not None
    assert (found.count, found.minimum, found.p50, found.maximum, found.mean) == (1, 7, 7, 7, 7)
    assert found.p90 is found.p95 is found.p99 is None


@pytest.mark.parametrize(
    ("count", "given"),
    [(9, ()), (10, ("p90",)), (19, ("p90",)), (20, ("p90", "p95")), (100, ("p90", "p95", "p99"))],
)
def test_a_percentile_needs_its_samples(count: int, given: tuple[str, ...]) -> None:
    found = percentiles([float(value) for value in range(count)])
    assert found is not None
    assert tuple(name for name in ("p90", "p95", "p99") if getattr(found, name) is not None) == given


def test_of_a_hundred_and_one_values_in_any_order() -> None:
    found = percentiles([float(value) for value in reversed(range(101))])
    assert found is not None
    assert (found.p50, found.p90, found.p95, found.p99) == (50, 90, 95, 99)


def test_between_two_values_linearly() -> None:
    found = percentiles([1.0, 2.0])
    assert found is not None
    assert found.p50 == 1.5


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_of_values_that_are_no_numbers(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        percentiles([1.0, bad])
