"""Arbitrary runs of the chain: the steps of engine, judge and client in any order."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from hypothesis import strategies as st

from serving.judging.chain import Block, Chain, Event, Release, Settlement
from serving.judging.policy import Mode
from serving.judging.protocols import Chunk, EngineError, Generation
from tests.serving.judging.scripted import (
    AT_ONCE,
    CONVERSATION,
    Answering,
    Does,
    ScriptedEngine,
    ScriptedJudge,
    Step,
    Wait,
    policy,
    silent_chunk,
    text_chunk,
    tool_chunk,
)
from tests.serving.judging.virtual_time import run

ENFORCING = (Mode.GATE, Mode.WINDOW)


@dataclass(frozen=True, slots=True)
class Leaving:
    """When the client goes: after so many events it closes the stream, or it is cancelled at a moment."""

    after: int | None = None
    at: Wait | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run."""

    mode: Mode
    n: int
    first_window: int
    steps: tuple[Step, ...]
    answers: tuple[Answering, ...] = ()
    reading: tuple[Wait, ...] = (AT_ONCE,)
    closing: Wait = AT_ONCE
    least_window: int = 1
    window_growth: float = 0
    hold_until: int = 0
    leaving: Leaving | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as the client saw it, the judge calls that had passed by then, and whether the engine ran."""

    event: Event
    at: float
    passed: tuple[int, ...]
    running: int


@dataclass(slots=True)
class Story:
    """What came of a scenario."""

    scenario: Scenario
    engine: ScriptedEngine
    judge: ScriptedJudge
    seen: list[Seen] = field(default_factory=list)
    error: BaseException | None = None
    left_over: int = 0
    running: int = 0
    in_flight: int = 0

    @property
    def events(self) -> list[Event]:
        return [seen.event for seen in self.seen]

    @property
    def settlement(self) -> Settlement | None:
        last = self.events[-1] if self.seen else None
        return last if isinstance(last, Settlement) else None

    def released(self, choice: int) -> list[Chunk]:
        return [
            chunk
            for event in self.events
            if isinstance(event, Release) and event.choice == choice
            for chunk in event.chunks
        ]

    def blocked(self, choice: int) -> bool:
        return any(isinstance(event, Block) and event.choice == choice for event in self.events)


def play(scenario: Scenario) -> Story:
    """Run a scenario on virtual time."""
    return run(_play(scenario))


async def _play(scenario: Scenario) -> Story:
    engine = ScriptedEngine(scenario.steps, scenario.closing)
    judge = ScriptedJudge(scenario.answers)
    story = Story(scenario, engine, judge)
    chain = Chain(
        engine,
        judge,
        policy(
            scenario.mode,
            scenario.first_window,
            scenario.least_window,
            scenario.window_growth,
            scenario.hold_until,
        ),
        Generation("request", {}, n=scenario.n),
        CONVERSATION,
    )
    reader = asyncio.get_running_loop().create_task(_read(chain, story))
    leaving = scenario.leaving
    if leaving is not None and leaving.at is not None:
        await leaving.at.over()
        reader.cancel()
    try:
        await reader
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  the story tells what went wrong
        story.error = error
    story.left_over = len(asyncio.all_tasks() - {asyncio.current_task()})
    story.running = engine.running
    story.in_flight = judge.in_flight
    return story


async def _read(chain: Chain, story: Story) -> None:
    scenario = story.scenario
    loop = asyncio.get_running_loop()
    async with aclosing(chain.run()) as events:
        if scenario.leaving is not None and scenario.leaving.after == 0:
            return
        async for event in events:
            passed = tuple(place for place, call in enumerate(story.judge.calls) if call.passed)
            story.seen.append(Seen(event, loop.time(), passed, story.engine.running))
            if scenario.leaving is not None and scenario.leaving.after == len(story.seen):
                return
            await scenario.reading[len(story.seen) % len(scenario.reading)].over()


waits = st.builds(Wait, st.sampled_from((0, 0, 0, 1, 2, 5)), st.integers(0, 4))
passing = st.builds(Answering, st.just(Does.PASSES), waits)
doing = st.builds(Answering, st.sampled_from((*[Does.PASSES] * 36, *Does)), waits)
KINDS = ("text", "text", "text", "silent", "tool", "silent_tool")


@st.composite
def chunks_of(draw: st.DrawFn, choice: int, tools: bool = True) -> list[Chunk]:
    """A whole answer of one choice, its end included."""
    kinds = draw(st.lists(st.sampled_from(KINDS if tools else KINDS[:4]), max_size=8))
    last = draw(st.sampled_from(("text", "silent", "tool") if tools else ("text", "silent")))
    tokens = draw(
        st.lists(st.sampled_from((1, 1, 1, 0, 2, 3)), min_size=len(kinds) + 1, max_size=len(kinds) + 1)
    )
    made: list[Chunk] = []
    for number, kind in enumerate([*kinds, last]):
        finish = "stop" if number == len(kinds) else None
        if kind == "text":
            made.append(text_chunk(choice, number, tokens[number], finish))
        elif kind == "tool":
            made.append(tool_chunk(choice, number, tokens[number], finish))
        else:
            made.append(
                silent_chunk(
                    choice, tokens[number], finish, tool=kind == "silent_tool", hidden=tokens[number] // 2
                )
            )
    return made


@st.composite
def steps_of(draw: st.DrawFn, n: int, tools: bool = True) -> tuple[Step, ...]:
    """The answers of all choices, interleaved and cut into deltas in any way."""
    answers = [draw(chunks_of(choice, tools)) for choice in range(n)]
    order = draw(st.permutations([c for c, answer in enumerate(answers) for _ in answer]))
    places = [iter(answer) for answer in answers]
    chunks = [next(places[choice]) for choice in order]
    steps: list[Step] = []
    while chunks:
        size = draw(st.sampled_from((1, 1, 1, 2, 4)))
        steps.append(Step(tuple(chunks[:size]), draw(waits)))
        chunks = chunks[size:]
    return tuple(steps)


@st.composite
def scenarios(
    draw: st.DrawFn,
    modes: Sequence[Mode] = ENFORCING,
    judging: st.SearchStrategy[Answering] = doing,
    tools: bool = True,
    most: int = 3,
) -> Scenario:
    """Any run in which the engine does its part."""
    n = draw(st.integers(1, most))
    return Scenario(
        mode=draw(st.sampled_from(tuple(modes))),
        n=n,
        first_window=draw(st.sampled_from((1, 1, 2, 4))),
        steps=draw(steps_of(n, tools)),
        answers=tuple(draw(st.lists(judging, max_size=12))),
        reading=tuple(draw(st.lists(waits, min_size=1, max_size=3))),
        closing=draw(waits),
        least_window=draw(st.sampled_from((1, 1, 4))),
        window_growth=draw(st.sampled_from((0, 0, 0.5, 1))),
    )


leavings = st.one_of(
    st.builds(Leaving, after=st.integers(0, 6)),
    st.builds(Leaving, at=st.builds(Wait, st.sampled_from((0, 0, 1, 2, 4, 8, 15)), st.integers(0, 25))),
)

engine_faults = st.sampled_from(
    (
        Step(fault=lambda: EngineError(503, "The model is gone.")),
        Step(fault=lambda: RuntimeError("unforeseen")),
        Step(fault=asyncio.CancelledError),
        Step((text_chunk(9, 0),)),
    )
)
