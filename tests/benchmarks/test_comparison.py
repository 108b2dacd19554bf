import numpy as np

from benchmarks.arms.comparison import compare_rates, compare_values


def test_ratio_of_medians_with_an_interval_around_it() -> None:
    random = np.random.default_rng(1)
    base = [list(random.normal(100, 5, 50)) for _ in range(4)]
    arm = [list(random.normal(150, 5, 50)) for _ in range(4)]
    found = compare_values(arm, base)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.ratio < found.high
    assert found.low > 1.4
    assert found.high < 1.6


def test_an_arm_against_itself_is_one() -> None:
    values = [[10.0, 11, 12, 13], [20.0, 21, 22, 23]]
    found = compare_values(values, values)
    assert found is not None
    assert found.ratio == 1
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 1 <= found.high


def test_noise_shared_by_a_round_cancels() -> None:
    # The second round ran on a machine half as fast, for both arms alike.
    rates = compare_rates([(50, 1), (25, 1), (50, 1)], [(100, 1), (50, 1), (100, 1)])
    assert rates is not None
    assert (rates.ratio, rates.low, rates.high) == (0.5, 0.5, 0.5)


def test_few_samples_give_no_interval() -> None:
    found = compare_values([[1.0, 2, 3]], [[1.0, 2, 3]])
    assert found is not None
    assert found.low is found.high is None
    two = compare_rates([(1, 1), (1, 1)], [(1, 1), (1, 1)])
    assert two is not None
    assert two.low is None


def test_nothing_to_compare() -> None:
    assert compare_values([[]], [[1.0]]) is None
    assert compare_values([], []) is None
    assert compare_rates([], []) is None
    assert compare_rates([(1, 1)], [(0, 1)]) is None
    assert compare_values([[1.0]], [[0.0]]) is None


def test_rounds_without_values_are_left_out_of_both() -> None:
    found = compare_values([[2.0], [], [2.0]], [[1.0], [99.0], [1.0]])
    assert found is not None
    assert (found.ratio, found.rounds) == (2, 2)
