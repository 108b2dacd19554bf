"""Label probabilities: what is read from sound ones, and that unsound ones are void."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.judging.verdict import read_labels

labels = st.dictionaries(st.text(max_size=5), st.floats(allow_nan=True), max_size=5)


@given(labels, st.floats(min_value=1e-6, max_value=1e6))
def test_a_reading_is_a_distribution_or_void(logprobs: dict[str, float], temperature: float) -> None:
    reading = read_labels(logprobs, temperature)
    if not reading.probabilities:
        assert reading.mass == 0.0
        return
    assert 0.0 <= reading.mass <= 1.0
    assert set(reading.probabilities) == set(logprobs)
    assert all(0.0 <= value <= 1.0 for value in reading.probabilities.values())
    assert math.fsum(reading.probabilities.values()) == pytest.approx(1.0)


@given(
    st.lists(st.floats(min_value=0.001, max_value=1.0), min_size=2, max_size=4),
    st.floats(min_value=0.01, max_value=1.0),
)
def test_sound_labels_are_read_as_they_are(shares: list[float], mass: float) -> None:
    total = math.fsum(shares)
    reading = read_labels({str(i): math.log(share / total * mass) for i, share in enumerate(shares)})
    assert reading.mass == pytest.approx(mass)
    for place, share in enumerate(shares):
        assert reading.probabilities[str(place)] == pytest.approx(share / total)


@pytest.mark.parametrize(
    "logprobs",
    [
        {},
        {"yes": math.nan, "no": -0.1},
        {"yes": 0.5, "no": -3.0},
        {"yes": math.inf, "no": -0.1},
        {"yes": -math.inf, "no": -math.inf},
        {"yes": 0.0, "no": 0.0},
    ],
)
def test_what_is_no_distribution_is_void(logprobs: dict[str, float]) -> None:
    assert read_labels(logprobs).mass == 0.0


def test_temperature_moves_probabilities_and_not_the_mass() -> None:
    logprobs = {"yes": math.log(0.6), "no": math.log(0.2)}
    cold, warm = read_labels(logprobs), read_labels(logprobs, 4.0)
    assert warm.probabilities["yes"] < cold.probabilities["yes"]
    assert warm.mass == cold.mass == pytest.approx(0.8)
