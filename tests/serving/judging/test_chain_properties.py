"""The chain's guarantees over arbitrary interleavings of tokens, verdicts, faults and clients that leave.

I1 no unjudged byte, I2 fail closed, I8 disconnect = abort (docs of `serving.judging.chain`).
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from serving.judging.chain import Block, Chain, Event, Release, Settlement
from serving.judging.conversation import Check, Stage
from serving.judging.policy import Mode, Policy
from serving.judging.protocols import Chunk, EngineError, Generation
from serving.judging.verdict import Outcome, Verdict
from tests.serving.judging.scenario import (
    ENFORCING,
    Leaving,
    Scenario,
    Story,
    engine_faults,
    leavings,
    passing,
    play,
    scenarios,
    steps_of,
    waits,
)
from tests.serving.judging.scripted import (
    CONVERSATION,
    Answering,
    Call,
    Does,
    ScriptedEngine,
    ScriptedJudge,
    Step,
    Wait,
    policy,
    verdict,
)
from tests.serving.judging.virtual_time import run


def said(chunks: list[Chunk], tool: bool) -> str:
    return "".join(chunk.text for chunk in chunks if chunk.tool is tool)


def assert_nothing_unjudged(story: Story) -> None:
    """I1: at each release, what the client has is a prefix that verdicts passed before cover."""
    for choice in range(story.scenario.n):
        produced = story.engine.of(choice)
        released: list[Chunk] = []
        over = False
        for seen in story.seen:
            event = seen.event
            if isinstance(event, Settlement) or event.choice != choice:
                continue
            assert not over, "an event after the choice's end"
            if isinstance(event, Block):
                over = True
                continue
            over = event.judgement is not None
            released += event.chunks
            assert all(one is other for one, other in zip(released, produced, strict=False))
            passed = [story.judge.calls[place].check for place in seen.passed]
            assert any(check.stage is Stage.PROMPT for check in passed), "released before the prompt passed"
            for stage, tool in ((Stage.ANSWER, False), (Stage.TOOL_CALL, True)):
                text = said(released, tool)
                whole = said(produced, tool)
                covers = [c.text for c in passed if c.stage is stage and f"<{choice}." in c.text]
                assert all(whole.startswith(cover) for cover in covers), "judged text that was never produced"
                assert not text or any(cover.startswith(text) for cover in covers), "released unjudged"
            if any(chunk.tool for chunk in released):
                assert over, "half a tool call was released"
                assert len(released) == len(produced)
            if story.scenario.mode is Mode.GATE:
                assert over, "a gate opened before the end"


def _was_held(story: Story, choice: int, call: Call) -> bool:
    """Whether a check may have held its window: it flagged a beginning shorter than the policy says."""
    tool = call.check.stage is Stage.TOOL_CALL
    tokens, text = 0, ""
    for chunk in story.engine.of(choice):
        if text == call.check.text:
            break
        tokens += chunk.tokens
        text += chunk.text if chunk.tool is tool else ""
    return call.does is Does.FLAGS and tokens < story.scenario.hold_until


def assert_orderly(story: Story) -> None:
    """At most one call in flight for each choice, on growing texts, and none after one that failed."""
    for choice in range(story.scenario.n):
        calls = story.judge.of(choice)
        for one, next_one in pairwise(calls):
            assert one.ended is not None
            assert one.ended <= next_one.began, "two calls in flight"
            if story.scenario.mode is not Mode.OBSERVE:
                assert one.passed or _was_held(story, choice, one), "judged on after the choice had ended"
        for stage in (Stage.ANSWER, Stage.TOOL_CALL):
            texts = story.judge.texts(choice, stage, passed=False)
            for text, longer in pairwise(texts):
                assert longer.startswith(text), "judged a fragment"
                assert longer != text or story.scenario.hold_until, "judged the same text twice"
    prompts = [call for call in story.judge.calls if call.check.stage is Stage.PROMPT]
    assert len(prompts) <= 1
    assert all(call.check.text == "" for call in prompts)
    assert story.engine.calls <= 1


def assert_all_stopped(story: Story) -> None:
    """I8: no task is left, the engine's generator is closed, no judge call goes on."""
    assert story.left_over == 0
    assert story.running == 0
    assert story.in_flight == 0


def assert_settled(story: Story) -> None:
    """One settlement, last, and its arithmetic."""
    assert story.error is None
    assert [isinstance(event, Settlement) for event in story.events].count(True) == 1
    settlement = story.settlement
    assert settlement is not None
    assert story.seen[-1].running == 0, "settled while the model was still generating"
    tally = settlement.judgement.tally
    assert tally.generated == sum(
        chunk.tokens + chunk.hidden for choice in range(story.scenario.n) for chunk in story.engine.of(choice)
    )
    assert tally.released == sum(
        chunk.tokens for choice in range(story.scenario.n) for chunk in story.released(choice)
    )
    assert tally.generated == tally.released + tally.wasted
    assert tally.wasted >= 0
    assert tally.released <= tally.judged or story.scenario.mode is Mode.OBSERVE
    assert tally.judged <= tally.generated
    if story.scenario.mode is not Mode.OBSERVE:
        assert tally.exposed == 0
    assert settlement.judgement.calls == len(story.judge.calls)
    assert settlement.usage.completion_tokens == sum(
        chunk.tokens + chunk.hidden for _, chunk in story.engine.produced
    )
    for choice in range(story.scenario.n):
        ends = [
            event
            for event in story.events
            if not isinstance(event, Settlement)
            and event.choice == choice
            and (isinstance(event, Block) or event.judgement is not None)
        ]
        assert len(ends) == 1, "a choice ends once"


def assert_guarantees(story: Story) -> None:
    if story.scenario.mode is not Mode.OBSERVE:
        assert_nothing_unjudged(story)
    assert_orderly(story)
    assert_all_stopped(story)


@given(scenarios())
def test_whatever_the_judge_does_only_judged_chunks_leave(scenario: Scenario) -> None:
    story = play(scenario)
    assert_guarantees(story)
    assert_settled(story)
    settlement = story.settlement
    assert settlement is not None
    prompt = story.judge.prompt()
    assert prompt is not None
    for choice in range(scenario.n):
        failed = [call for call in story.judge.of(choice) if not call.passed]
        assert story.blocked(choice) is (bool(failed) or not prompt.passed)
        if not story.blocked(choice):
            assert story.released(choice) == story.engine.of(choice)
            assert story.engine.of(choice)[-1].finish_reason == "stop"
    everything_passed = all(call.passed for call in story.judge.calls)
    assert settlement.judgement.verdict.passed is everything_passed
    # The client reads a Block's reason from its judgement: it must not look like a pass.
    for event in story.events:
        if isinstance(event, Block):
            assert not event.judgement.verdict.passed
        elif isinstance(event, Release) and event.judgement is not None:
            assert event.judgement.verdict.passed


FLAGGING = st.builds(Answering, st.sampled_from((Does.PASSES, Does.FLAGS, Does.FLAGS, Does.ERROR)), waits)


@given(scenarios(judging=FLAGGING), st.sampled_from((2, 5, 20)))
def test_a_flagged_beginning_leaves_only_by_a_later_check_that_passes(
    scenario: Scenario, hold_until: int
) -> None:
    story = play(replace(scenario, answers=(Answering(), *scenario.answers), hold_until=hold_until))
    assert_guarantees(story)
    assert_settled(story)
    held = 0
    for choice in range(scenario.n):
        calls = story.judge.of(choice)
        failed = [call for call in calls if not call.passed]
        assert story.blocked(choice) is (bool(calls) and not calls[-1].passed)
        assert all(call.does is Does.FLAGS for call in failed[:-1]), "only a finding waits for what follows"
        held += len(failed) - story.blocked(choice)
        if not story.blocked(choice):
            assert story.released(choice) == story.engine.of(choice)
    settlement = story.settlement
    assert settlement is not None
    assert settlement.judgement.held == held
    assert settlement.judgement.verdict.passed is not any(isinstance(event, Block) for event in story.events)


@given(scenarios(judging=passing))
def test_a_judge_that_passes_everything_withholds_nothing(scenario: Scenario) -> None:
    story = play(scenario)
    assert_guarantees(story)
    assert_settled(story)
    for choice in range(scenario.n):
        assert story.released(choice) == story.engine.of(choice)
        judged = story.judge.texts(choice)
        whole = said(story.engine.of(choice), tool=False)
        assert (judged[-1] if judged else "") == whole
    settlement = story.settlement
    assert settlement is not None
    tally = settlement.judgement.tally
    assert tally.wasted == sum(chunk.hidden for _, chunk in story.engine.produced)
    assert tally.judged == tally.released


@given(
    scenarios(judging=passing),
    st.sampled_from([does for does in Does if does is not Does.PASSES]),
    st.integers(0, 5),
    waits,
)
def test_each_failure_of_the_judge_blocks_at_each_call(
    scenario: Scenario, does: Does, place: int, wait: Wait
) -> None:
    """I2, one failure at a time: from the failed call on, nothing more of what it was asked about leaves."""
    answers = [*scenario.answers, *[Answering()] * (place + 1)][: place + 1]
    story = play(replace(scenario, answers=(*answers[:place], Answering(does, wait))))
    assert_guarantees(story)
    assert_settled(story)
    failed = [call for call in story.judge.calls if not call.passed]
    if len(story.judge.calls) > place:
        assert failed == [story.judge.calls[place]]
        settlement = story.settlement
        assert settlement is not None
        flagged = settlement.judgement.verdict.outcome is Outcome.FLAGGED
        assert flagged is (does is Does.FLAGS)
        assert any(isinstance(event, Block) for event in story.events)
    for choice in range(scenario.n):
        hit = any(call.check.stage is Stage.PROMPT or call in story.judge.of(choice) for call in failed)
        assert story.blocked(choice) is hit, "choices are independent"


@given(scenarios(), st.sampled_from([does for does in Does if does is not Does.PASSES]), waits)
def test_a_prompt_that_does_not_pass_lets_nothing_out(scenario: Scenario, does: Does, wait: Wait) -> None:
    story = play(replace(scenario, answers=(Answering(does, wait), *scenario.answers)))
    assert_guarantees(story)
    assert_settled(story)
    assert not any(isinstance(event, Release) for event in story.events)
    assert len(story.judge.calls) == 1, "the answer was judged although the prompt had not passed"


@given(scenarios(modes=tuple(Mode)), leavings)
def test_when_the_client_leaves_everything_stops(scenario: Scenario, leaving: Leaving) -> None:
    """I8 at any await point."""
    story = play(replace(scenario, leaving=leaving))
    assert_guarantees(story)
    assert story.error is None or isinstance(story.error, asyncio.CancelledError)


@given(scenarios(modes=tuple(Mode)), engine_faults, st.integers(0, 20), waits)
def test_an_engine_that_fails_ends_the_answer_with_an_error(
    scenario: Scenario, fault: Step, place: int, wait: Wait
) -> None:
    """What was judged before may have left, nothing else; and the client is told, unless all was over."""
    steps = (*scenario.steps[:place], replace(fault, wait=wait))
    story = play(replace(scenario, steps=steps))
    assert_guarantees(story)
    if story.error is None:
        assert_settled(story)
        if scenario.mode is Mode.OBSERVE:
            assert place >= len(scenario.steps)
    else:
        assert story.settlement is None
        assert isinstance(story.error, EngineError | RuntimeError)


@given(scenarios(modes=tuple(Mode), judging=passing), st.integers(0, 20))
def test_an_engine_that_stops_half_way_is_an_error(scenario: Scenario, place: int) -> None:
    steps = scenario.steps[:place]
    story = play(replace(scenario, steps=steps))
    assert_guarantees(story)
    if len(steps) < len(scenario.steps):
        assert isinstance(story.error, EngineError)
        assert story.error.status == 502
        assert story.settlement is None


@given(scenarios(modes=(Mode.OBSERVE,)))
def test_observing_withholds_nothing_and_judges_everything(scenario: Scenario) -> None:
    story = play(replace(scenario, reading=(Wait(),)))
    assert_guarantees(story)
    assert_settled(story)
    produced = {id(chunk): at for at, chunk in story.engine.produced}
    for seen in story.seen:
        assert not isinstance(seen.event, Block)
        if isinstance(seen.event, Release):
            for chunk in seen.event.chunks:
                assert chunk.finish_reason is not None or seen.at == produced[id(chunk)], "withheld"
    for choice in range(scenario.n):
        assert story.released(choice) == story.engine.of(choice)
        for stage, tool in ((Stage.ANSWER, False), (Stage.TOOL_CALL, True)):
            judged = story.judge.texts(choice, stage, passed=False)
            assert (judged[-1] if judged else "") == said(story.engine.of(choice), tool)
    settlement = story.settlement
    assert settlement is not None
    assert settlement.judgement.verdict.passed is all(call.passed for call in story.judge.calls)
    tally = settlement.judgement.tally
    assert 0 <= tally.exposed <= tally.released
    if all(call.passed for call in story.judge.calls):
        assert tally.exposed == 0


@dataclass
class OneAmongOthers:
    """A judge that reads one choice with its own pauses, in virtual seconds, and the others in another way.

    The pauses add up to no whole second, which is when chunks arrive: the order of what happens at one moment
    depends on all timers there are.
    """

    choice: int
    pauses: Sequence[float]
    others: Answering
    id: str = "scripted"
    digest: str = "d" * 64
    calls: int = 0

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        if check.stage is not Stage.PROMPT and f"<{self.choice}." not in check.text:
            return await ScriptedJudge((self.others,)).judge(check, policy)
        pause = self.pauses[self.calls % len(self.pauses)]
        self.calls += 1
        await asyncio.sleep(pause)
        return verdict(check.stage, policy)


def timeline(mode: Mode, steps: tuple[Step, ...], judge: OneAmongOthers) -> list[tuple[float, Event]]:
    """When what of the judge's choice was released or blocked."""

    async def read() -> list[tuple[float, Event]]:
        engine, generation = ScriptedEngine(steps), Generation("request", {}, n=3)
        loop = asyncio.get_running_loop()
        async with aclosing(Chain(engine, judge, policy(mode), generation, CONVERSATION).run()) as events:
            return [
                (loop.time(), event if isinstance(event, Block) else replace(event, judgement=None))
                async for event in events
                if not isinstance(event, Settlement) and event.choice == judge.choice
            ]

    return run(read())


@given(
    st.sampled_from(ENFORCING),
    steps_of(3),
    st.integers(0, 2),
    st.lists(st.sampled_from((0.0137, 0.61, 1.43, 3.07)), min_size=1, max_size=4),
    st.builds(Answering, st.sampled_from((Does.HANG, Does.LATE, Does.FLAGS, Does.ERROR, Does.PASSES)), waits),
)
def test_choices_do_not_wait_for_each_other(
    mode: Mode, steps: tuple[Step, ...], choice: int, pauses: list[float], others: Answering
) -> None:
    """Whatever the judge makes of the others, a choice leaves in the same pieces at the same moments."""
    undisturbed = timeline(mode, steps, OneAmongOthers(choice, pauses, Answering()))
    disturbed = timeline(mode, steps, OneAmongOthers(choice, pauses, others))
    assert disturbed == undisturbed
    released = [chunk for _, event in undisturbed if isinstance(event, Release) for chunk in event.chunks]
    assert released == [chunk for step in steps for chunk in step.chunks if chunk.choice == choice]
