"""Scores are recalled for the very same prompt of the same tenant only, and not without bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.read_pieces import ReadPieces
from tests import profiles

profiles.load()

SCORES = {" Yes": -0.1, " No": -2.3}
prompts = st.tuples(
    st.text(max_size=3),
    st.lists(st.text(max_size=2), max_size=3),
    st.lists(st.integers(0, 300_000), max_size=4),
)


def test_a_piece_is_recalled_as_it_was_read() -> None:
    read = ReadPieces()
    assert read.recall("a", (" Yes", " No"), [1, 2]) is None
    read.remember("a", (" Yes", " No"), [1, 2], SCORES)
    assert read.recall("a", (" Yes", " No"), [1, 2]) == SCORES


@given(prompts, prompts)
def test_another_tenant_label_or_token_is_another_piece(
    one: tuple[str, list[str], list[int]], other: tuple[str, list[str], list[int]]
) -> None:
    read = ReadPieces()
    read.remember(*one, SCORES)
    assert (read.recall(*other) is not None) is (one == other)


def test_labels_do_not_run_into_one_another() -> None:
    read = ReadPieces()
    read.remember("ab", ("c",), [], SCORES)
    assert read.recall("a", ("bc",), []) is None
    assert read.recall("abc", (), []) is None


def test_what_was_not_asked_for_longest_gives_way() -> None:
    read = ReadPieces(most=2)
    for token in (1, 2):
        read.remember("", (), [token], SCORES)
    read.recall("", (), [1])
    read.remember("", (), [3], SCORES)
    assert [read.recall("", (), [token]) is not None for token in (1, 2, 3)] == [True, False, True]


def test_no_text_and_no_token_is_kept() -> None:
    read = ReadPieces()
    read.remember("tenant", ("label",), [123_456], SCORES)
    kept = repr(vars(read))
    assert "tenant" not in kept
    assert "123456" not in kept


@pytest.mark.parametrize("salt", ["\ud800", "é", ""])
def test_any_salt_will_do(salt: str) -> None:
    read = ReadPieces()
    read.remember(salt, (), [], SCORES)
    assert read.recall(salt, (), []) == SCORES
