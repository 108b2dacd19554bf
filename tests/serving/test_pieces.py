"""Fitting judge prompts into the judge's context: no judged token is ever left out."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.cutting import OVERLAP
from serving.judging.protocols import JudgeError
from serving.pieces import LEAST_PIECE, MOST_TOKENS, STEPS, Encoded, fit
from tests import profiles

profiles.load()

KINDS = ("fixed", "elastic", "splittable")
lengths = st.none() | st.integers(LEAST_PIECE, 400)
layouts = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 300)), max_size=7)


def encoded(layout: list[tuple[str, int]]) -> list[Encoded]:
    """Segments whose tokens are all different, so that each can be recognised."""
    numbers = count()
    return [
        Encoded([next(numbers) for _ in range(size)], kind == "splittable", kind == "elastic")
        for kind, size in layout
    ]


def tokens_of(segments: list[Encoded], kind: str) -> list[int]:
    wanted = [s for s in segments if (s.splittable, s.elastic) == (kind == "splittable", kind == "elastic")]
    return [token for segment in wanted for token in segment.tokens]


@given(layouts, st.integers(0, 900), lengths)
def test_every_judged_token_is_in_a_piece_and_every_piece_within_the_limit(
    layout: list[tuple[str, int]], limit: int, longest: int | None
) -> None:
    segments = encoded(layout)
    fixed, elastic, judged = (tokens_of(segments, kind) for kind in KINDS)
    try:
        fitted = fit(segments, limit, longest)
    except JudgeError as error:
        assert error.reason == "context_exceeded"
        # Refused only where not even the least piece would fit beside the context's quarter of the room.
        room = limit - len(fixed)
        assert room < 0 or room - room // 4 < min(LEAST_PIECE, len(judged))
        return
    assert fitted.prompts
    assert all(len(prompt) <= limit for prompt in fitted.prompts)
    assert {token for prompt in fitted.prompts for token in prompt} >= {*fixed, *judged}
    for prompt in fitted.prompts:
        assert prompt == sorted(prompt), "tokens keep their order"
        assert set(fixed) <= set(prompt), "the template is whole in every piece"
        assert longest is None or len(set(judged) & set(prompt)) <= longest
        kept = [token for token in prompt if token in set(elastic)]
        assert kept == elastic[len(elastic) - len(kept) :], "context is shortened from its front"
        assert fitted.context_shortened is (len(kept) < len(elastic))
    if len(segments) and len(fixed) + len(elastic) + len(judged) <= limit:
        assert len(fitted.prompts) == 1 or (longest is not None and len(judged) > longest)
        assert not fitted.context_shortened


@given(st.integers(0, 200), st.integers(0, 400), st.integers(1, 3000), st.integers(100, 600), lengths)
def test_nothing_hides_on_a_seam(
    fixed: int, elastic: int, judged: int, limit: int, longest: int | None
) -> None:
    """Any run of tokens up to the overlap is whole in one piece."""
    segments = encoded([("fixed", fixed), ("elastic", elastic), ("splittable", judged), ("fixed", 3)])
    try:
        fitted = fit(segments, limit, longest)
    except JudgeError:
        return
    pieces = [set(prompt) & set(segments[2].tokens) for prompt in fitted.prompts]
    run = max(1, int(len(pieces[0]) * OVERLAP))
    text = segments[2].tokens
    for start in range(max(1, len(text) - run + 1)):
        assert any(piece.issuperset(text[start : start + run]) for piece in pieces)


@given(st.integers(65, 3000), st.integers(150, 600))
def test_the_context_keeps_a_quarter_of_the_room(judged: int, limit: int) -> None:
    segments = encoded([("fixed", 10), ("elastic", 5000), ("splittable", judged)])
    for prompt in fit(segments, limit).prompts:
        kept = len(set(prompt) & set(segments[1].tokens))
        assert kept >= (limit - 10) // 4


@given(st.integers(0, 900), st.integers(300, 900), st.none() | st.integers(LEAST_PIECE, 200))
def test_context_gives_way_in_steps_while_a_text_grows(context: int, limit: int, longest: int | None) -> None:
    """What is before the judged text is in the judge's cache of prefixes, but for a few times."""
    befores: set[int] = set()
    read: set[tuple[int, ...]] = set()
    for judged in range(20, 600, 10):
        segments = encoded([("fixed", 10), ("elastic", context), ("splittable", judged)])
        fitted = fit([*segments, Encoded([-1])], limit, longest)
        before = len([token for token in fitted.prompts[0] if 10 <= token < 10 + context])
        if before not in befores:
            read.clear()
        befores.add(before)
        if longest is not None:
            full = {tuple(prompt) for prompt in fitted.prompts[:-1]}
            assert len(full - read) <= 2, "pieces that have all their tokens stay as they are"
            read |= full
    assert len(befores) <= STEPS + 3


def test_a_growing_conversation_is_mostly_cached() -> None:
    """Each turn adds to the context and to the template, and most of what was read before is read again."""
    befores = [
        fit(encoded([("fixed", 10), ("elastic", size), ("fixed", size // 20), ("splittable", 50)]), 4000)
        for size in range(3000, 9000, 100)
    ]
    cut = {next(token for token in one.prompts[0] if token >= 10) for one in befores}
    assert len(cut) <= 60 // 4
    assert all(len(one.prompts[0]) > 4000 * (1 - 1 / STEPS) - 100 for one in befores[20:])


def test_a_template_longer_than_the_context_is_refused() -> None:
    for excess in range(1, 6):
        with pytest.raises(JudgeError) as caught:
            fit([Encoded([0] * (20 + excess)), Encoded([1] * 5, elastic=True)], 20)
        assert caught.value.reason == "context_exceeded"


def test_a_text_that_would_keep_the_judge_from_everybody_is_refused() -> None:
    fitted = fit([Encoded([1] * MOST_TOKENS, splittable=True)], 8192)
    assert len(fitted.prompts) > 32
    with pytest.raises(JudgeError, match="the most is") as refused:
        fit([Encoded([1] * (MOST_TOKENS + 1), splittable=True)], 8192)
    assert refused.value.reason == "context_exceeded"
