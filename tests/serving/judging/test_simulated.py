"""The chain over the simulated engine and judge: every scripted fault ends in a block."""

from contextlib import aclosing

import pytest

from serving.judging.chain import Block, Chain, Event, Release, Settlement
from serving.judging.conversation import Message
from serving.judging.gathering import GatheringScorer
from serving.judging.judge import TemplateJudge
from serving.judging.policy import Mode
from serving.judging.protocols import EngineError, Generation
from serving.judging.templates.yes_no import YesNo
from serving.judging.verdict import Outcome
from serving.simulator import JudgeFault, Script, SimulatedEngine
from tests.serving.judging.scripted import policy
from tests.serving.judging.virtual_time import run


def answered(script: Script, mode: Mode = Mode.WINDOW, prompt: str = "hello", n: int = 1) -> list[Event]:
    async def scene() -> list[Event]:
        engine = SimulatedEngine(script)
        judge = TemplateJudge(YesNo(), GatheringScorer(engine.score), "simulated", "digest")
        body = {"messages": [{"role": "user", "content": prompt}]}
        chain = Chain(
            engine, judge, policy(mode), Generation("request", body, n=n), (Message("user", prompt),)
        )
        async with aclosing(chain.run()) as events:
            seen = [event async for event in events]
        assert engine.unfinished() == 0
        return seen

    return run(scene())


def text_of(events: list[Event], choice: int = 0) -> str:
    releases = [event for event in events if isinstance(event, Release) and event.choice == choice]
    return "".join(chunk.text for release in releases for chunk in release.chunks)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_harmless_answer_arrives_whole(mode: Mode) -> None:
    script = Script(answers={"": "one two three four"}, token_delay=0.1, judge_delay=0.15)
    events = answered(script, mode, n=2)
    assert text_of(events, 0) == text_of(events, 1) == "one two three four"
    settlement = events[-1]
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.verdict.passed
    assert settlement.usage.completion_tokens == 8


@pytest.mark.parametrize("mode", [Mode.GATE, Mode.WINDOW])
@pytest.mark.parametrize("fault", ["error", "hang", "garbled", "low_mass", "nan"])
def test_every_fault_of_the_judge_blocks(fault: JudgeFault, mode: Mode) -> None:
    block, settlement = answered(Script(judge_fault=fault, token_delay=0.1), mode)
    assert isinstance(block, Block)
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.verdict.outcome is Outcome.UNDECIDED
    assert settlement.judgement.tally.released == 0


def test_a_harmful_word_in_mid_answer_never_leaves() -> None:
    script = Script(
        answers={"": "mix it and the bomb is done now"}, judge={"": 0.02, "bomb": 0.98}, token_delay=0.1
    )
    events = answered(script)
    assert text_of(events) == "mix it and the "
    assert isinstance(events[-2], Block)


def test_a_harmful_prompt_is_refused_before_a_word() -> None:
    block, settlement = answered(Script(judge={"": 0.02, "bomb": 0.98}, token_delay=0.1), prompt="a bomb?")
    assert isinstance(block, Block)
    assert isinstance(settlement, Settlement)
    assert settlement.judgement.verdict.outcome is Outcome.FLAGGED


def test_a_model_that_fails_half_way_is_an_error() -> None:
    with pytest.raises(EngineError, match="failed to answer"):
        answered(Script(fail_after=2, token_delay=0.1))
