"""The chain, scene by scene: what a reader should know of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import pytest

from serving.judging.chain import Block, Chain, Event, Release, Settlement
from serving.judging.conversation import Check, Message, Stage
from serving.judging.judge import TemplateJudge
from serving.judging.policy import Mode, Policy
from serving.judging.prompt import LabelScores
from serving.judging.protocols import Chunk, Delta, Engine, EngineError, Generation, Judge, Usage
from serving.judging.templates.yes_no import YesNo
from serving.judging.verdict import Outcome, Verdict
from tests.serving.judging.scripted import (
    CONVERSATION,
    TIMEOUT,
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
    verdict,
)
from tests.serving.judging.virtual_time import run

ASKED = Generation("request", {}, n=1, cache_salt="tenant")


def chain(engine: Engine, judge: Judge, mode: Mode = Mode.WINDOW, n: int = 1, first_window: int = 1) -> Chain:
    generation = Generation("request", {}, n=n, cache_salt="tenant")
    return Chain(engine, judge, policy(mode, first_window), generation, CONVERSATION)


async def events_of(running: Chain) -> list[Event]:
    async with aclosing(running.run()) as events:
        return [event async for event in events]


def play(
    steps: list[Step], judge: Judge, mode: Mode = Mode.WINDOW, n: int = 1, first_window: int = 1
) -> list[Event]:
    return run(events_of(chain(ScriptedEngine(steps), judge, mode, n, first_window)))


def one_a_second(chunks: list[Chunk]) -> list[Step]:
    return [Step((chunk,), Wait(1)) for chunk in chunks]


def released(events: list[Event]) -> list[str]:
    """The text of each release."""
    return ["".join(c.text for c in event.chunks) for event in events if isinstance(event, Release)]


ANSWER = [text_chunk(0, number) for number in range(5)] + [text_chunk(0, 5, finish="stop")]


def test_tokens_pile_up_while_the_judge_reads_and_leave_together() -> None:
    slow = [Answering(), *[Answering(wait=Wait(2, 1))] * 9]
    judge = ScriptedJudge(slow)
    events = play(one_a_second(ANSWER), judge)
    assert released(events) == ["<0.0>", "<0.1><0.2>", "<0.3><0.4>", "<0.5>"]
    assert judge.texts(0) == [
        "<0.0>",
        "<0.0><0.1><0.2>",
        "<0.0><0.1><0.2><0.3><0.4>",
        "<0.0><0.1><0.2><0.3><0.4><0.5>",
    ]


def test_the_first_window_gathers_its_tokens() -> None:
    judge = ScriptedJudge()
    events = play(one_a_second(ANSWER), judge, first_window=3)
    assert released(events)[0] == "<0.0><0.1><0.2>"
    assert len(released(events)) == 4


def test_a_gate_judges_once_and_opens_at_the_end() -> None:
    judge = ScriptedJudge()
    events = play(one_a_second(ANSWER), judge, Mode.GATE)
    assert len(released(events)) == 1
    assert [call.check.stage for call in judge.calls] == [Stage.PROMPT, Stage.ANSWER]


def test_the_judge_reads_the_prompt_while_the_model_already_speaks() -> None:
    judge = ScriptedJudge([Answering(wait=Wait(3))])
    engine = ScriptedEngine(one_a_second(ANSWER))

    async def scene() -> list[Event]:
        async with aclosing(chain(engine, judge).run()) as events:
            first = await anext(events)
            assert asyncio.get_running_loop().time() == 3
            assert len(engine.produced) >= 2
            return [first, *[event async for event in events]]

    assert "".join(released(run(scene()))) == "<0.0><0.1><0.2><0.3><0.4><0.5>"


def test_a_violation_in_mid_answer_stops_the_model_and_the_rest_never_leaves() -> None:
    judge = ScriptedJudge(flagged=("BAD",))
    chunks = [text_chunk(0, 0), text_chunk(0, 1, word="BAD"), *[text_chunk(0, 2 + i) for i in range(100)]]
    engine = ScriptedEngine(one_a_second([*chunks, silent_chunk(0, finish="stop")]))
    events = run(events_of(chain(engine, judge)))
    assert released(events) == ["<0.0>"]
    block, settlement = events[-2:]
    assert isinstance(block, Block)
    assert isinstance(settlement, Settlement)
    assert block.judgement.verdict.outcome is Outcome.FLAGGED
    assert len(engine.produced) == 2, "the model went on after the violation"
    assert engine.running == 0
    assert settlement.judgement.tally.generated == 2
    assert settlement.judgement.tally.wasted == 1


def test_a_flagged_beginning_is_held_and_leaves_once_the_whole_is_harmless() -> None:
    judge = ScriptedJudge([Answering(), Answering(Does.FLAGS), Answering(Does.FLAGS), Answering()])
    rules = policy(Mode.WINDOW, hold_until=4)
    events = run(events_of(Chain(ScriptedEngine(one_a_second(ANSWER)), judge, rules, ASKED, CONVERSATION)))
    assert released(events)[0] == "<0.0><0.1><0.2>"
    assert "".join(released(events)) == "<0.0><0.1><0.2><0.3><0.4><0.5>"
    settlement = events[-1]
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.verdict.passed
    assert settlement.judgement.public()["held"] == 2


@pytest.mark.parametrize(("hold_until", "produced"), [(0, 1), (4, 4), (100, 6)])
def test_a_beginning_is_held_so_long_and_no_longer(hold_until: int, produced: int) -> None:
    judge = ScriptedJudge(flagged=("<0.0>",))
    engine = ScriptedEngine(one_a_second(ANSWER))
    rules = policy(Mode.WINDOW, hold_until=hold_until)
    events = run(events_of(Chain(engine, judge, rules, ASKED, CONVERSATION)))
    assert released(events) == []
    assert [type(event) for event in events] == [Block, Settlement]
    assert len(engine.produced) == produced


def test_a_judge_that_could_not_decide_on_a_beginning_blocks_at_once() -> None:
    judge = ScriptedJudge([Answering(), Answering(Does.UNSURE)])
    engine = ScriptedEngine(one_a_second(ANSWER))
    rules = policy(Mode.WINDOW, hold_until=100)
    events = run(events_of(Chain(engine, judge, rules, ASKED, CONVERSATION)))
    assert [type(event) for event in events] == [Block, Settlement]
    assert len(engine.produced) == 1


def test_a_violation_stops_the_model_at_once_however_slowly_the_client_reads() -> None:
    async def scene() -> None:
        engine = ScriptedEngine(one_a_second([text_chunk(0, number) for number in range(100)]))
        judge = ScriptedJudge([Answering(), Answering(), Answering(Does.FLAGS)])
        async with aclosing(chain(engine, judge).run()) as events:
            await anext(events)
            await asyncio.sleep(30)
            assert engine.running == 0
            assert len(engine.produced) == 2
            assert [type(event) async for event in events] == [Block, Settlement]

    run(scene())


def test_only_what_left_is_booked_as_released() -> None:
    judge = ScriptedJudge([Answering(), Answering(wait=Wait(2, 1)), Answering(Does.FLAGS)])
    settlement = play(one_a_second(ANSWER), judge)[-1]
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.tally.released == 1
    assert settlement.judgement.tally.wasted == settlement.judgement.tally.generated - 1 > 0


def test_a_violation_in_one_choice_leaves_the_others_alone() -> None:
    judge = ScriptedJudge(flagged=("BAD",))
    chunks = [text_chunk(0, 0, word="BAD"), text_chunk(1, 0), text_chunk(0, 1, finish="stop")]
    events = play(one_a_second([*chunks, text_chunk(1, 1, finish="stop")]), judge, n=2)
    assert released(events) == ["<1.0>", "<1.1>"]
    assert [event.choice for event in events if isinstance(event, Block)] == [0]
    settlement = events[-1]
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.verdict.outcome is Outcome.FLAGGED


def test_the_tail_is_judged_too() -> None:
    judge = ScriptedJudge(flagged=("BAD",))
    events = play(one_a_second([text_chunk(0, 0), text_chunk(0, 1, finish="stop", word="BAD")]), judge)
    assert released(events) == ["<0.0>"]
    assert isinstance(events[-2], Block)


def test_a_tool_call_is_judged_as_one_and_leaves_whole() -> None:
    judge = ScriptedJudge()
    chunks = [text_chunk(0, 0), tool_chunk(0, 1), tool_chunk(0, 2), silent_chunk(0, finish="tool_calls")]
    events = play(one_a_second(chunks), judge)
    assert released(events) == ["<0.0>", "<0.1:call><0.2:call>"]
    assert judge.texts(0, Stage.TOOL_CALL) == ["<0.1:call><0.2:call>"]


def test_a_tool_call_is_judged_after_what_was_said_with_it() -> None:
    """Half a text in the answer and half in the call: neither may complete the other unseen."""
    chunks = [text_chunk(0, 0), tool_chunk(0, 1), silent_chunk(0, finish="tool_calls")]
    judge = ScriptedJudge()
    play(one_a_second(chunks), judge)
    (call,) = [call.check for call in judge.calls if call.check.stage is Stage.TOOL_CALL]
    assert call.conversation == (*CONVERSATION, Message("assistant", "<0.0>"))
    (answer,) = {call.check.conversation for call in judge.calls if call.check.stage is Stage.ANSWER}
    assert answer == CONVERSATION


def test_a_flagged_tool_call_never_leaves() -> None:
    judge = ScriptedJudge(flagged=(":call",))
    chunks = [text_chunk(0, 0), tool_chunk(0, 1), silent_chunk(0, finish="tool_calls")]
    events = play(one_a_second(chunks), judge)
    assert released(events) == ["<0.0>"]
    assert isinstance(events[-2], Block)
    assert events[-2].judgement.verdict.stage is Stage.TOOL_CALL


def test_json_is_judged_as_its_reader_decodes_it() -> None:
    judge = ScriptedJudge(flagged=("BAD",))
    chunk = Chunk(0, {"index": 0}, r'{"a": "B\u0041D"}', 1, finish_reason="stop")
    block, _ = play([Step((chunk,))], judge)
    assert isinstance(block, Block)


def test_a_tool_call_that_begins_without_text_is_held_back_as_well() -> None:
    chunks = [silent_chunk(0, tool=True), text_chunk(0, 1), tool_chunk(0, 2), silent_chunk(0, finish="stop")]
    events = play(one_a_second(chunks), ScriptedJudge())
    assert released(events) == ["<0.1><0.2:call>"]


def test_an_empty_answer_rests_on_the_verdict_of_its_prompt() -> None:
    judge = ScriptedJudge()
    events = play([Step((silent_chunk(0, finish="stop"),))], judge)
    release, settlement = events
    assert isinstance(release, Release)
    assert release.judgement is not None
    assert release.judgement.verdict.stage is Stage.PROMPT
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.calls == 1


def test_checks_carry_conversation_and_cache_salt() -> None:
    judge = ScriptedJudge()
    play(one_a_second(ANSWER), judge)
    assert {call.check.conversation for call in judge.calls} == {CONVERSATION}
    assert {call.check.cache_salt for call in judge.calls} == {"tenant"}


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        (Does.ERROR, "unavailable"),
        (Does.CRASH, "failed"),
        (Does.CANCELLED, "cancelled"),
        (Does.HANG, "timeout"),
        (Does.LATE, "timeout"),
        (Does.STUBBORN, "timeout"),
        (Does.WRONG_STAGE, "garbled"),
        (Does.NAN, "garbled"),
        (Does.BEYOND_ONE, "garbled"),
        (Does.GARBAGE, "failed"),
    ],
)
@pytest.mark.parametrize("mode", [Mode.GATE, Mode.WINDOW])
def test_a_judge_that_fails_blocks_and_says_why(does: Does, reason: str, mode: Mode) -> None:
    events = play(one_a_second(ANSWER), ScriptedJudge([Answering(), Answering(does)]), mode)
    block, settlement = events
    assert isinstance(block, Block)
    assert block.judgement.verdict.outcome is Outcome.UNDECIDED
    assert block.judgement.verdict.reason == reason
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.tally.released == 0


class _NanScorer:
    async def score(self, questions: object) -> list[LabelScores]:
        return [LabelScores(({" Yes": float("nan"), " No": -0.01},))]


def test_label_scores_that_are_no_numbers_block() -> None:
    judge = TemplateJudge(YesNo(), _NanScorer(), "judge", "digest")
    block, _ = play(one_a_second(ANSWER), judge)
    assert isinstance(block, Block)
    assert block.judgement.verdict.reason == "unsure"


def test_observing_counts_what_had_left_before_the_finding() -> None:
    judge = ScriptedJudge([Answering(), Answering(Does.FLAGS, Wait(3, 2)), *[Answering(wait=Wait(0, 1))] * 9])
    events = play(one_a_second(ANSWER), judge, Mode.OBSERVE)
    assert "".join(released(events)) == "<0.0><0.1><0.2><0.3><0.4><0.5>"
    settlement = events[-1]
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.tally.exposed == 4
    assert settlement.judgement.verdict.outcome is Outcome.FLAGGED


def test_exposure_is_counted_to_the_first_finding() -> None:
    flags = Answering(Does.FLAGS)
    judge = ScriptedJudge([Answering(), Answering(), flags, Answering(), flags, flags])
    settlement = play(one_a_second(ANSWER), judge, Mode.OBSERVE)[-1]
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.tally.exposed == 2
    assert settlement.judgement.tally.released == 6


def test_an_engine_that_speaks_after_its_end_is_an_error() -> None:
    with pytest.raises(EngineError, match="went on"):
        play([Step((text_chunk(0, 0, finish="stop"), text_chunk(0, 1)))], ScriptedJudge())


def test_an_engine_cancelled_from_elsewhere_is_an_error_and_not_a_wait_for_ever() -> None:
    with pytest.raises(EngineError, match="broke off") as caught:
        play([*one_a_second(ANSWER[:2]), Step(fault=asyncio.CancelledError)], ScriptedJudge())
    assert caught.value.status == 503


class _Swallowing:
    """A judge that takes its own cancellation for a failure, as careless clients do."""

    id = "swallowing"
    digest = "d"

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        if check.stage is not Stage.PROMPT:
            with suppress(BaseException):
                await asyncio.sleep(TIMEOUT / 2)
        return verdict(check.stage, policy)


@pytest.mark.parametrize("mode", list(Mode))
def test_leaving_ends_a_judge_that_swallows_its_cancellation(mode: Mode) -> None:
    async def scene() -> int:
        events = chain(ScriptedEngine(one_a_second(ANSWER)), _Swallowing(), mode).run()
        reader = asyncio.get_running_loop().create_task(_drain(events))
        await asyncio.sleep(7.5 if mode is Mode.GATE else 2.5)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await events.aclose()
        return len(asyncio.all_tasks())

    assert run(scene()) == 1


async def _drain(events: AsyncGenerator[Event, None]) -> None:
    async with aclosing(events):
        async for _ in events:
            pass


class _Endless:
    """An engine that would speak for ever."""

    closed = False

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        try:
            number = 0
            while True:
                await asyncio.sleep(1)
                yield Delta((text_chunk(0, number),), Usage(1, number))
                number += 1
        finally:
            self.closed = True


def test_closing_the_stream_aborts_at_once() -> None:
    async def scene() -> None:
        engine, judge = _Endless(), ScriptedJudge([Answering(), Answering(), Answering(Does.HANG)])
        events = chain(engine, judge).run()
        await anext(events)
        await asyncio.sleep(2)
        left_at = asyncio.get_running_loop().time()
        assert judge.in_flight == 1
        await events.aclose()
        assert asyncio.get_running_loop().time() == left_at
        assert engine.closed
        assert judge.in_flight == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scene())


class _Tidying:
    """An engine whose clean-up takes a while."""

    tidied = False

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        try:
            yield Delta((text_chunk(0, 0),), Usage(1, 1))
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            self.tidied = True


def test_a_reader_that_is_cancelled_again_and_again_waits_for_the_clean_up() -> None:
    """So does a server whose client has left: it repeats the cancellation until the reader is gone."""

    async def scene() -> None:
        engine = _Tidying()
        reading = asyncio.create_task(events_of(chain(engine, ScriptedJudge([Answering(Does.HANG)]))))
        await asyncio.sleep(1)
        for _ in range(20):
            reading.cancel()
            await asyncio.sleep(0.1)
        assert reading.cancelled()
        assert engine.tidied

    run(scene())


def test_a_stream_that_is_closed_before_it_began_starts_nothing() -> None:
    async def scene() -> None:
        engine = ScriptedEngine(one_a_second(ANSWER))
        await chain(engine, ScriptedJudge()).run().aclose()
        assert engine.calls == 0

    run(scene())
