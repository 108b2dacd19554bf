"""The rules by which the suite decides, on exchanges made by hand."""

import pytest

from benchmarks.conformance.answers import Answer, answer_for
from benchmarks.conformance.cells import ABSENT, Cell, Channel, Ending, JudgeState
from benchmarks.conformance.evidence import Evidence, examine
from benchmarks.conformance.placements import PLACEMENTS
from benchmarks.conformance.results import State, assess
from benchmarks.conformance.transcript import End, Transcript
from benchmarks.conformance.upstream.journal import Judged, forbidden


def seen(*parts: tuple[str, float], field: str = "content") -> Transcript:
    """A stream of one choice: texts, and when they arrived."""
    transcript = Transcript(status=200, end=End.COMPLETE)
    for text, at in parts:
        transcript.take({"choices": [{"index": 0, "delta": {field: text}}]}, at)
    return transcript


def said(answer: Answer) -> str:
    return "".join(piece.text for piece in answer.choices[0])


def test_what_was_passed_before_it_arrived_is_judged() -> None:
    answer = answer_for(Cell("x", placement=ABSENT))
    text = said(answer)
    half = len(text) // 2
    found = examine(
        answer, seen((text[:half], 2), (text[half:], 4)), [Judged(text[:half], 1), Judged(f"user: {text}", 3)]
    )
    assert found == Evidence(0, False, (1.0,))


def test_a_verdict_that_comes_after_the_text_is_none() -> None:
    answer = answer_for(Cell("x", placement=ABSENT))
    text = said(answer)
    found = examine(answer, seen((text, 2)), [Judged(text, 3)])
    assert found.unjudged == len(text.replace(" ", ""))


def test_one_chunk_too_much_is_found_in_any_field() -> None:
    answer = answer_for(Cell("x", placement=ABSENT))
    text, last = said(answer), answer.choices[0][-1].text
    for field in ("content", "reasoning_content", "anything"):
        found = examine(answer, seen((text, 2), field=field), [Judged(text.removesuffix(last), 1)])
        assert found.unjudged == len(last.strip())


def test_another_cell_s_verdict_covers_nothing() -> None:
    cell = Cell("x", placement=ABSENT, n=3)
    answer, other = answer_for(cell), answer_for(cell)
    found = examine(answer, seen((said(answer), 2)), [Judged(text, 1) for text in other.sources()])
    assert found.unjudged == len(said(answer).replace(" ", ""))
    found = examine(answer, seen((said(answer), 2)), [Judged(text, 1) for text in answer.sources()[1:]])
    assert found.unjudged == len(said(answer).replace(" ", "")), "nor does that of another choice"


@pytest.mark.parametrize("placement", [name for name in PLACEMENTS if "absent" not in name])
def test_every_placement_spells_the_phrase(placement: str) -> None:
    for channel in Channel:
        answer = answer_for(Cell("x", n=3, channel=channel, placement=placement))
        assert sum(forbidden(text) for text in answer.sources()) == 1
        assert all(text not in answer.prompt for text in answer.sources())


CLEAN, NOTHING = Evidence(0, False, (1.0,)), Evidence(0, False, (0.0,))
INNOCENT = Cell("x", placement=ABSENT)


@pytest.mark.parametrize(
    ("cell", "evidence", "transcript", "abort", "state"),
    [
        (INNOCENT, CLEAN, Transcript(200, End.COMPLETE, judgement=True), None, State.JUDGED),
        (INNOCENT, CLEAN, Transcript(200, End.COMPLETE), None, State.NO_VERDICT),
        (INNOCENT, NOTHING, Transcript(400, End.COMPLETE), None, State.ERROR),
        (INNOCENT, NOTHING, Transcript(200, End.SILENT), None, State.ERROR),
        (Cell("x"), NOTHING, Transcript(200, End.COMPLETE), None, State.BLOCKED),
        (Cell("x"), NOTHING, Transcript(200, End.CUT), None, State.ERROR),
        (Cell("x", judge=JudgeState.DOWN), NOTHING, Transcript(503, End.COMPLETE), None, State.BLOCKED),
        (Cell("x"), Evidence(3, False, (0.1,)), Transcript(200, End.COMPLETE), None, State.LEAKED),
        (Cell("x"), Evidence(0, True, (1.0,)), Transcript(200, End.COMPLETE), None, State.LEAKED),
        (Cell("x", ending=Ending.CLIENT_LEAVES), CLEAN, Transcript(200, End.LEFT), None, State.ERROR),
        (Cell("x", ending=Ending.CLIENT_LEAVES), CLEAN, Transcript(200, End.LEFT), 0.2, State.BLOCKED),
        (Cell("x", ending=Ending.MODEL_DIES), CLEAN, Transcript(200, End.CUT), None, State.JUDGED),
    ],
)
def test_the_rules(
    cell: Cell, evidence: Evidence, transcript: Transcript, abort: float | None, state: State
) -> None:
    assert assess(cell, evidence, transcript, abort)[0] is state
