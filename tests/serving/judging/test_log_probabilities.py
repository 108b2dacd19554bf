"""What log-probabilities name is judged as well, and never mixed into the text, which would garble both."""

from contextlib import aclosing

import pytest

from serving.judging.chain import Block, Chain, Event, Release
from serving.judging.conversation import Stage
from serving.judging.policy import Mode
from serving.judging.protocols import Chunk, Generation
from tests.serving.judging.scripted import CONVERSATION, ScriptedEngine, ScriptedJudge, Step, policy
from tests.serving.judging.virtual_time import run

WORDS = ["pour", " the", " acid", " into", " the", " water", " and", " wait"]
MODES = [Mode.GATE, Mode.WINDOW]


def chunk(text: str = "", spelled: str = "", alternatives: str = "", finish: str | None = None) -> Chunk:
    return Chunk(0, {"index": 0}, text, 1, finish_reason=finish, spelled=spelled, alternatives=alternatives)


def play(mode: Mode, chunks: list[Chunk], flagged: tuple[str, ...] = ()) -> tuple[list[Event], list[str]]:
    """The events, and the texts that were judged."""

    async def scene() -> tuple[list[Event], list[str]]:
        judge = ScriptedJudge(flagged=flagged)
        engine = ScriptedEngine([Step((one,)) for one in chunks])
        chain = Chain(engine, judge, policy(mode), Generation("request", {}), CONVERSATION)
        async with aclosing(chain.run()) as running:
            events = [event async for event in running]
        return events, [call.check.text for call in judge.calls if call.check.stage is Stage.ANSWER]

    return run(scene())


def released(events: list[Event]) -> list[Chunk]:
    return [one for event in events if isinstance(event, Release) for one in event.chunks]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("behind", [0, 1, 3])
def test_a_text_that_lags_behind_its_tokens_is_judged_in_one_piece(mode: Mode, behind: int) -> None:
    """As vLLM holds text back where a stop sequence may begin: up to 255 characters by a client's choice."""
    late = [""] * behind + WORDS
    chunks = [chunk(late[place], word) for place, word in enumerate(WORDS)]
    chunks.append(chunk("".join(late[len(WORDS) :]), "", finish="stop"))
    events, judged = play(mode, chunks)
    assert len(released(events)) == len(chunks)
    whole = "".join(WORDS)
    assert judged[-1] == whole
    assert all(whole.startswith(text) for text in judged)


@pytest.mark.parametrize("mode", MODES)
def test_tokens_of_the_text_itself_are_not_judged_twice(mode: Mode) -> None:
    chunks = [chunk(word, word) for word in WORDS]
    _, judged = play(mode, [*chunks, chunk(finish="stop")])
    assert len(set(judged)) == len(judged)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("hidden", [{"spelled": "bomb"}, {"alternatives": "bomb"}])
def test_what_only_log_probabilities_tell_is_judged_before_it_leaves(
    mode: Mode, hidden: dict[str, str]
) -> None:
    events, _ = play(mode, [chunk("fine"), chunk(**hidden), chunk(finish="stop")], flagged=("bomb",))
    assert any(isinstance(event, Block) for event in events)
    assert not any(one.spelled or one.alternatives for one in released(events))
