"""Asking again: every attempt judged and counted, nothing of a failed one shown, within its bounds."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from serving.judging.chain import Block, Chain, Event, Release, Settlement
from serving.judging.policy import Mode, Policy, Repair
from serving.judging.protocols import Chunk, Delta, EngineError, Generation
from serving.judging.repair import Repairing
from serving.judging.verdict import Outcome
from tests.serving.judging.scripted import (
    CONVERSATION,
    Answering,
    Does,
    ScriptedEngine,
    ScriptedJudge,
    Step,
    Wait,
    policy,
    text_chunk,
)
from tests.serving.judging.virtual_time import run

BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "the prompt"}], "max_completion_tokens": 50}


def steps(words: Sequence[str], choice: int = 0, seconds: int = 1) -> list[Step]:
    """An answer, a word a second."""
    last = len(words) - 1
    return [
        Step(
            (text_chunk(choice, number, finish="stop" if number == last else None, word=word),), Wait(seconds)
        )
        for number, word in enumerate(words)
    ]


class Attempts:
    """An engine that answers each request by the next of its scripts."""

    def __init__(self, *scripts: list[Step]) -> None:
        self._engines = [ScriptedEngine(script) for script in scripts]
        self.generations: list[Generation] = []

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        engine = self._engines[len(self.generations)]
        self.generations.append(generation)
        async with aclosing(engine.generate(generation)) as deltas:
            async for delta in deltas:
                yield delta

    @property
    def running(self) -> int:
        return sum(engine.running for engine in self._engines)


def repairing(
    engine: Attempts, judge: ScriptedJudge, mode: Mode = Mode.GATE, n: int = 1, **bounds: Any
) -> Repairing:
    repair = Repair.model_validate({"attempts": 2, **bounds})
    rules: Policy = policy(mode).model_copy(update={"action": "repair", "repair": repair})
    generation = Generation("request", BODY, n=n, cache_salt="tenant")

    def chain_of(one: Generation) -> Chain:
        return Chain(engine, judge, rules, one, CONVERSATION)

    return Repairing(chain_of, rules, generation)


async def _all(running: Repairing) -> list[Event]:
    async with aclosing(running.run()) as events:
        return [event async for event in events]


def play(engine: Attempts, judge: ScriptedJudge | None = None, **more: Any) -> list[Event]:
    return run(_all(repairing(engine, judge or ScriptedJudge(flagged=("BAD",)), **more)))


def released(events: list[Event], choice: int = 0) -> str:
    chunks: list[Chunk] = []
    for event in events:
        if isinstance(event, Release) and event.choice == choice:
            chunks += event.chunks
    return "".join(chunk.text for chunk in chunks)


def settled(events: list[Event]) -> Settlement:
    [settlement] = [event for event in events if isinstance(event, Settlement)]
    assert events[-1] is settlement
    return settlement


def test_an_answer_that_passes_is_not_asked_for_twice() -> None:
    engine = Attempts(steps(["", ""]))
    events = play(engine)
    assert released(events) == "<0.0><0.1>"
    assert len(engine.generations) == 1
    assert "attempts" not in settled(events).judgement.public()


@pytest.mark.parametrize("mode", [Mode.GATE, Mode.WINDOW])
def test_a_violation_is_repaired(mode: Mode) -> None:
    engine = Attempts(steps(["BAD", ""]), steps(["", ""]))
    events = play(engine, mode=mode)
    assert not any(isinstance(event, Block) for event in events)
    assert released(events) == "<0.0><0.1>"
    settlement = settled(events)
    judgement = settlement.judgement.public()
    assert judgement["outcome"] == "passed"
    assert [attempt["outcome"] for attempt in judgement["attempts"]] == ["flagged"]
    generated = settlement.judgement.tally.generated
    assert generated == settlement.usage.completion_tokens > 2
    assert settlement.judgement.tally.released == 2
    assert settlement.judgement.tally.wasted == generated - 2


def test_the_model_is_told_what_was_found() -> None:
    engine = Attempts(steps(["BAD"]), steps([""]))
    play(engine)
    first, second = engine.generations
    note, *rest = second.body["messages"]
    assert rest == first.body["messages"]
    assert note["role"] == "system"
    assert "withheld" in note["content"]
    assert "BAD" not in note["content"]
    assert (second.n, second.cache_salt) == (1, "tenant")
    assert second.request_id != first.request_id


def test_attempts_are_bounded_and_the_last_finding_is_told() -> None:
    engine = Attempts(*[steps(["BAD"])] * 9)
    events = play(engine)
    assert len(engine.generations) == 3
    assert [type(event) for event in events] == [Block, Settlement]
    judgement = settled(events).judgement
    assert judgement.verdict.outcome is Outcome.FLAGGED
    assert len(judgement.attempts) == 3
    assert judgement.tally.generated == judgement.tally.wasted == 3


def test_what_had_begun_to_leave_ends_with_its_refusal() -> None:
    engine = Attempts(steps(["", "", "BAD", ""]), steps([""]))
    events = play(engine, mode=Mode.WINDOW)
    assert len(engine.generations) == 1
    assert released(events) == "<0.0><0.1>"
    assert isinstance(events[-2], Block)


def test_a_repaired_answer_that_violates_in_its_middle_ends_honestly() -> None:
    engine = Attempts(steps(["BAD"]), steps(["", "", "BAD"]), steps([""]))
    events = play(engine, mode=Mode.WINDOW)
    assert len(engine.generations) == 2
    assert released(events) == "<0.0><0.1>"
    assert [type(event) for event in events[-2:]] == [Block, Settlement]
    assert settled(events).judgement.verdict.outcome is Outcome.FLAGGED


@pytest.mark.parametrize("place", [0, 1])
def test_doubt_and_prompts_are_not_repaired(place: int) -> None:
    does = Does.FLAGS if place == 0 else Does.ERROR
    engine = Attempts(steps([""]), steps([""]))
    events = play(engine, ScriptedJudge([*[Answering()] * place, Answering(does)]))
    assert len(engine.generations) == 1
    assert [type(event) for event in events] == [Block, Settlement]


def test_only_the_choice_that_violates_is_repaired() -> None:
    both = [step for pair in zip(steps(["", ""]), steps(["BAD", ""], 1), strict=True) for step in pair]
    engine = Attempts(both, steps(["", ""]))
    events = play(engine, n=2)
    assert released(events, 0) == "<0.0><0.1>"
    assert released(events, 1) == "<0.0><0.1>"
    ends = [e.choice for e in events if not isinstance(e, Settlement) and e.judgement is not None]
    assert sorted(ends) == [0, 1]


def test_time_is_bounded() -> None:
    engine = Attempts(steps(["BAD"]), steps([""] * 20), steps([""]))
    events = play(engine, seconds=5)
    assert len(engine.generations) == 2
    assert [type(event) for event in events] == [Block, Settlement]
    assert settled(events).judgement.tally.generated > 1
    assert engine.running == 0


def test_tokens_are_bounded() -> None:
    engine = Attempts(steps(["BAD"]), steps(["", "BAD"]), steps(["BAD"]), steps([""]))
    events = play(engine, attempts=5, tokens=3)
    assert len(engine.generations) == 3
    assert [one.body["max_completion_tokens"] for one in engine.generations[1:]] == [3, 1]
    assert isinstance(events[0], Block)


def test_an_engine_that_fails_in_between_ends_with_the_finding() -> None:
    engine = Attempts(steps(["BAD"]), [Step(fault=lambda: EngineError(503, "gone"))])
    events = play(engine)
    assert [type(event) for event in events] == [Block, Settlement]


@pytest.mark.parametrize("fails", [Does.FLAGS, Does.ERROR, Does.HANG, Does.GARBAGE])
@pytest.mark.parametrize("mode", [Mode.GATE, Mode.WINDOW])
def test_an_attempt_is_judged_like_the_first(mode: Mode, fails: Does) -> None:
    judge = ScriptedJudge([Answering(), Answering(Does.FLAGS), Answering(), *[Answering(fails)] * 9])
    events = play(Attempts(*[steps([""])] * 3), judge, mode=mode)
    assert released(events) == ""
    assert isinstance(events[0], Block)


async def _leave(make: Callable[[], tuple[Attempts, Repairing]]) -> None:
    engine, running = make()
    async with aclosing(running.run()) as events:
        async for _ in events:
            break
    assert engine.running == 0


def test_a_client_that_leaves_stops_the_attempt() -> None:
    def make() -> tuple[Attempts, Repairing]:
        engine = Attempts(steps(["BAD"]), steps([""] * 20))
        return engine, repairing(engine, ScriptedJudge(flagged=("BAD",)), Mode.WINDOW)

    run(_leave(make))


def test_a_repaired_choice_of_several_leaves_under_its_own_number() -> None:
    """An attempt has one choice, numbered 0 by the engine; the client must find it where it asked."""
    first = [*steps(["fine", "text"]), *steps(["BAD", "word"], choice=1)]
    events = play(Attempts(first, steps(["better", "text"])), n=2)
    released = [event for event in events if isinstance(event, Release)]
    of_second = [chunk for event in released if event.choice == 1 for chunk in event.chunks]
    said = "".join(chunk.text for chunk in of_second)
    assert "better" in said
    assert "BAD" not in said
    for event in released:
        assert {chunk.choice for chunk in event.chunks} <= {event.choice}
        assert {chunk.payload["index"] for chunk in event.chunks} <= {event.choice}
