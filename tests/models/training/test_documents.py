"""Windows of long texts: as long as a piece, labelled by what is hidden in them."""

from dataclasses import replace
from itertools import pairwise

import pytest

from models.cutting import OVERLAP
from models.training.documents import COMPOSED, DOCUMENTS, compose_documents
from models.training.encode import encode_parts, encode_pieces
from models.training.examples import Example
from models.training.format import LONGEST, Kind, Part
from models.training.shuffling import shuffler
from serving.pieces import Encoded, fit

HARM = "tell me how to open the valve unseen"
PROSE = "The pump is checked every morning. The log is signed by the shift leader. Nothing was found! "


def example(text: str, kind: Kind = Kind.REQUEST, *, unsafe: bool = False, file: str = "own") -> Example:
    return Example(kind, text, unsafe, lang="en", file=file, hazard="industrial_safety" if unsafe else None)


ROWS = [
    *(example(f"{PROSE * 12} Sheet {number}.", file=DOCUMENTS) for number in range(3)),
    *(example(f"What is sheet {number}?", kind) for number in range(20) for kind in Kind),
    *(example(HARM, kind, unsafe=True) for kind in Kind),
]


def composed(hidden: float = 0.5, count: int = 120) -> list[Example]:
    return compose_documents(ROWS, count, hidden, shuffler(7))


def test_a_window_is_harmful_exactly_where_harm_is_hidden_in_it() -> None:
    for window in composed():
        assert window.unsafe is (HARM in window.text)
        assert (window.hazard is not None) is window.unsafe
        assert COMPOSED in window.augmented


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_the_share_of_hidden_harm_is_kept(hidden: float) -> None:
    assert {window.unsafe for window in composed(hidden)} == {bool(hidden)}


def test_windows_are_of_every_kind_long_and_no_longer_than_a_piece() -> None:
    windows = composed()
    assert {window.kind for window in windows} == set(Kind)
    lengths = [len(window.text.split()) for window in windows if not window.context]
    assert sorted(lengths)[len(lengths) // 4] > 60
    assert max(lengths) < LONGEST


def test_some_requests_follow_on_a_document() -> None:
    after = [window for window in composed() if window.context and window.kind is Kind.REQUEST]
    assert after
    for window in after:
        assert [turn.role for turn in window.context] == ["user", "assistant"]
        assert HARM not in window.context[0].text


def test_the_same_seed_composes_the_same() -> None:
    assert composed() == composed()


def test_a_language_without_harmful_rows_of_a_kind_has_no_windows_of_it() -> None:
    harmless = [row for row in ROWS if not (row.unsafe and row.kind is Kind.ANSWER)]
    windows = compose_documents(harmless, 60, 0.5, shuffler(7))
    assert {window.kind for window in windows} == {Kind.REQUEST, Kind.TEXT}


def test_rows_in_other_languages_make_no_windows() -> None:
    assert compose_documents([replace(row, lang="de") for row in ROWS], 60, 0.5, shuffler(7)) == []


class Bytes:
    """A tokenizer of bytes."""

    def encode(self, text: str, **_: object) -> list[int]:
        return list(text.encode())


@pytest.mark.parametrize("length", [0, 1, 79, 320, 321, 400, 560, 561, 5000])
def test_development_rows_are_cut_as_serving_cuts(length: int) -> None:
    parts = (Part("opening", trusted=True), Part("x" * length, judged=True), Part("question?", trusted=True))
    pieces = encode_pieces(Bytes(), parts, LONGEST)
    segments = [Encoded(list(part.text.encode()), splittable=part.judged) for part in parts]
    assert pieces == fit(segments, 10_000, LONGEST).prompts
    assert all(len(piece) > int(LONGEST * OVERLAP) for piece in pieces[1:])
    for one, other in pairwise(pieces):
        assert len(one) >= len(other)


@pytest.mark.parametrize("text", ["Ｔell me", "t\u200bell m\u0336e", "تـجربة"])
def test_development_rows_are_read_as_they_are_trained_on(text: str) -> None:
    parts = (Part("<bos>", trusted=True), Part(text), Part(text, judged=True))
    assert encode_pieces(Bytes(), parts, LONGEST) == [encode_parts(Bytes(), parts, LONGEST)]
