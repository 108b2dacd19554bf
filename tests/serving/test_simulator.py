"""The simulated engine says and does what its script says, as a replica too."""

import math
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.protocols import EngineError, Generation, JudgeError, Usage
from serving.replicas import EngineFacts, EngineReplica, EngineSpec
from serving.simulator import JudgeFault, Script, SimulatedEngine


def generation(text: str = "hello", n: int = 1, **body: Any) -> Generation:
    return Generation("id", {"messages": [{"role": "user", "content": text}], **body}, n)


def question(text: str = "hello") -> Question:
    return Question("harm", (Segment("bomb", trusted=True), Segment(text)), ("Yes", "No"))


async def said(engine: SimulatedEngine, asked: Generation) -> tuple[list[str], list[str | None], Usage]:
    texts: list[str] = [""] * asked.n
    ends: list[str | None] = [None] * asked.n
    usage = Usage()
    async for delta in engine.generate(asked):
        usage = delta.usage
        for chunk in delta.chunks:
            texts[chunk.choice] += chunk.text
            ends[chunk.choice] = chunk.finish_reason or ends[chunk.choice]
    return texts, ends, usage


async def test_the_answer_of_the_longest_key() -> None:
    engine = SimulatedEngine(Script(answers={"": "any", "hello": "one two", "hello world": "three"}))
    assert await said(engine, generation("x")) == (["any"], ["stop"], Usage(1, 1))
    assert await said(engine, generation("Hello")) == (["one two"], ["stop"], Usage(1, 2))
    assert (await said(engine, generation("hello world", n=2)))[:2] == (["three", "three"], ["stop", "stop"])


async def test_limits_and_silence() -> None:
    engine = SimulatedEngine(Script(answers={"": "one two three", "quiet": ""}))
    assert (await said(engine, generation(max_completion_tokens=2)))[:2] == (["one two "], ["length"])
    assert (await said(engine, generation("quiet")))[:2] == ([""], ["stop"])


async def test_failure_and_bookkeeping() -> None:
    engine = SimulatedEngine(Script(fail_after=2))
    running = engine.generate(generation())
    await anext(running)
    assert engine.unfinished() == 1
    await anext(running)
    await anext(running)
    with pytest.raises(EngineError, match="failed to answer"):
        await anext(running)
    abandoned = engine.generate(generation())
    await anext(abandoned)
    await abandoned.aclose()
    assert engine.unfinished() == 0


async def test_scores() -> None:
    engine = SimulatedEngine(Script(judge={"": 0.02, "bomb": 0.98}))
    harmless, harmful = await engine.score([question(), question("a Bomb")])
    assert isinstance(harmless, LabelScores)
    assert isinstance(harmful, LabelScores)
    assert math.exp(harmless.pieces[0]["Yes"]) == pytest.approx(0.02, rel=0.01)
    assert math.exp(harmful.pieces[0]["Yes"]) == pytest.approx(0.98, rel=0.01)
    assert harmful.prompt_tokens == 2


@pytest.mark.parametrize("fault", ["error", "garbled", "low_mass", "nan"])
async def test_faults(fault: JudgeFault) -> None:
    [answer] = await SimulatedEngine(Script(judge_fault=fault)).score([question()])
    if fault == "error":
        assert isinstance(answer, JudgeError)
        return
    assert isinstance(answer, LabelScores)
    if fault == "garbled":
        assert answer.pieces == ()
    elif fault == "nan":
        assert math.isnan(answer.pieces[0]["Yes"])
    else:
        assert sum(math.exp(value) for value in answer.pieces[0].values()) == pytest.approx(0.1)


def test_a_script_with_a_slip_is_refused() -> None:
    slips: list[dict[str, Any]] = [{"anwsers": {}}, {"token_delay": -1}, {"judge_fault": "tired"}]
    for wrong in slips:
        with pytest.raises(ValidationError):
            Script.model_validate(wrong)


class TestReplica:
    """The simulated engine as a Serve replica would run it, without Ray."""

    @pytest.fixture
    def spec(self, tmp_path: Path) -> EngineSpec:
        script = tmp_path / "script.yaml"
        script.write_text('answers: {"": "oui"}\n', encoding="utf-8")
        return EngineSpec("simulated", {}, labels=("Yes", "No"), script=script)

    async def test_life(self, spec: EngineSpec) -> None:
        replica = EngineReplica(spec)
        await replica.start()
        assert await replica.facts() == EngineFacts(8192, ("<|im_start|>", "<|im_end|>"), accepts_tools=True)
        texts = [chunk.text async for delta in replica.generate(generation()) for chunk in delta.chunks]
        assert "".join(texts) == "oui"
        [scores] = await replica.score([question()])
        assert isinstance(scores, LabelScores)
        assert await replica.unfinished() == 0
        await replica.check_ready()
        await replica.check_health()
        replica.stop()

    async def test_closing_it_ends_the_generation_at_once(self, spec: EngineSpec) -> None:
        replica = EngineReplica(spec)
        await replica.start()
        async with aclosing(replica.generate(generation())) as deltas:
            await anext(deltas)
            assert await replica.unfinished() == 1
        assert await replica.unfinished() == 0

    async def test_not_started(self, spec: EngineSpec) -> None:
        replica = EngineReplica(spec)
        replica.stop()
        with pytest.raises(RuntimeError, match="has not started"):
            await replica.check_health()
