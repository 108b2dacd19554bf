"""Shadow judges: they see the traffic and change nothing of it, however they behave."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from serving.judging.chain import Block, Chain, Event, Release, Settlement
from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Mode
from serving.judging.protocols import Generation, Judge
from serving.judging.shadow import Comparison, Result, Shadow, ShadowedJudge
from serving.simulator import Script, SimulatedEngine
from tests.serving.judging.scripted import AT_ONCE, Answering, Does, ScriptedJudge, Wait, policy
from tests.serving.judging.virtual_time import run

CHECK = Check(Stage.ANSWER, (Message("user", "hello"),), "an answer", "khouribga", "request-1")
RULES = policy(Mode.WINDOW)


@dataclass
class Heard:
    """A listener that remembers; `keeping` is how long it takes to keep one."""

    keeping: Wait = AT_ONCE
    counted: list[Comparison] = field(default_factory=list)
    kept: list[Comparison] = field(default_factory=list)

    def count(self, comparison: Comparison) -> None:
        self.counted.append(comparison)

    async def keep(self, comparison: Comparison) -> None:
        await self.keeping.over()
        self.kept.append(comparison)

    @property
    def results(self) -> Counter[Result]:
        return Counter(comparison.result for comparison in self.counted)


def shadow(
    judge: Judge, heard: Heard, sample: float = 1.0, in_flight: int = 4, timeout: float = 5.0
) -> Shadow:
    return Shadow(judge, heard, sample=sample, in_flight=in_flight, timeout=timeout)


def scripted(*does: Does) -> ScriptedJudge:
    return ScriptedJudge([Answering(one) for one in does], id="candidate")


async def compared(judge: ScriptedJudge, candidate: ScriptedJudge, checks: int = 1) -> Heard:
    heard = Heard()
    shadowed = ShadowedJudge(judge, [shadow(candidate, heard)])
    for _ in range(checks):
        await shadowed.judge(CHECK, RULES)
        await asyncio.sleep(100)
    return heard


@pytest.mark.parametrize(
    ("judge", "candidate", "result"),
    [
        (Does.PASSES, Does.PASSES, Result.AGREED),
        (Does.FLAGS, Does.FLAGS, Result.AGREED),
        (Does.FLAGS, Does.UNSURE, Result.AGREED),
        (Does.PASSES, Does.FLAGS, Result.WOULD_BLOCK),
        (Does.PASSES, Does.UNSURE, Result.WOULD_BLOCK),
        (Does.FLAGS, Does.PASSES, Result.WOULD_ALLOW),
        (Does.UNSURE, Does.PASSES, Result.WOULD_ALLOW),
        (Does.PASSES, Does.ERROR, Result.FAILED),
        (Does.PASSES, Does.CRASH, Result.FAILED),
        (Does.PASSES, Does.HANG, Result.FAILED),
        (Does.PASSES, Does.LATE, Result.FAILED),
        (Does.PASSES, Does.GARBAGE, Result.FAILED),
        (Does.PASSES, Does.WRONG_STAGE, Result.FAILED),
    ],
)
def test_verdicts_are_compared(judge: Does, candidate: Does, result: Result) -> None:
    heard = run(compared(scripted(judge), scripted(candidate)))
    assert heard.results == {result: 1}
    assert len(heard.kept) == (result in (Result.WOULD_BLOCK, Result.WOULD_ALLOW))


def test_a_judge_that_failed_leaves_nothing_to_compare() -> None:
    async def failing() -> Heard:
        heard, candidate = Heard(), scripted()
        shadowed = ShadowedJudge(scripted(Does.CRASH), [shadow(candidate, heard)])
        with pytest.raises(ZeroDivisionError):
            await shadowed.judge(CHECK, RULES)
        await asyncio.sleep(100)
        assert not candidate.calls
        return heard

    assert not run(failing()).counted


def test_what_a_busy_shadow_is_offered_is_dropped_and_counted() -> None:
    async def loaded() -> Heard:
        heard, candidate = Heard(), ScriptedJudge([Answering(Does.HANG)] * 50, id="candidate")
        one = shadow(candidate, heard, in_flight=3, timeout=10)
        shadowed = ShadowedJudge(ScriptedJudge(), [one])
        for _ in range(20):
            await shadowed.judge(CHECK, RULES)
        await asyncio.sleep(0)
        assert candidate.in_flight == 3
        await asyncio.sleep(11)
        await shadowed.judge(CHECK, RULES)
        await asyncio.sleep(0)
        assert len(candidate.calls) == 4, "its places are free again when their time is over"
        await one.close()
        return heard

    assert run(loaded()).results == {Result.DROPPED: 17, Result.FAILED: 3}


def test_a_slow_record_is_the_shadows_own_trouble() -> None:
    async def slow() -> Heard:
        heard = Heard(keeping=Wait(seconds=1000))
        candidate = ScriptedJudge([Answering(Does.FLAGS)] * 50, id="candidate")
        one = shadow(candidate, heard, in_flight=2)
        shadowed = ShadowedJudge(ScriptedJudge(), [one])
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(10):
            await shadowed.judge(CHECK, RULES)
        assert loop.time() == began
        await one.close()
        return heard

    heard = run(slow())
    assert heard.results[Result.DROPPED] == 8
    assert not heard.kept


def test_a_share_of_requests_is_sampled_whole() -> None:
    async def sampled() -> tuple[int, set[int]]:
        candidate = scripted()
        shadowed = ShadowedJudge(ScriptedJudge(), [shadow(candidate, Heard(), sample=0.25, in_flight=9999)])
        for request in range(1000):
            for _ in range(3):
                await shadowed.judge(replace(CHECK, request_id=f"r{request}"), RULES)
        await asyncio.sleep(1)
        seen = Counter(call.check.request_id for call in candidate.calls)
        return len(seen), set(seen.values())

    requests, times = run(sampled())
    assert 180 < requests < 320
    assert times == {3}


def test_several_shadows_do_not_see_each_other() -> None:
    async def both() -> tuple[Heard, Heard]:
        broken, sound = Heard(), Heard()
        shadowed = ShadowedJudge(
            ScriptedJudge(), [shadow(scripted(Does.HANG), broken), shadow(scripted(Does.PASSES), sound)]
        )
        await shadowed.judge(CHECK, RULES)
        await asyncio.sleep(100)
        return broken, sound

    broken, sound = run(both())
    assert broken.results == {Result.FAILED: 1}
    assert sound.results == {Result.AGREED: 1}


async def answered(mode: Mode, judge: Judge) -> list[tuple[str, object]]:
    """What leaves of an answer, and when."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    engine = SimulatedEngine(Script(answers={"": "one two three four five six"}, token_delay=1.3))
    generation = Generation("request-1", {"messages": [], "max_tokens": 6}, cache_salt="khouribga")
    chain = Chain(engine, judge, policy(mode), generation, (Message("user", "hello"),))
    return [(f"{loop.time() - began:.3f}", _shown(event)) async for event in chain.run()]


def _shown(event: Event) -> object:
    match event:
        case Release():
            return "".join(chunk.text for chunk in event.chunks), event.judgement and event.judgement.public()
        case Block():
            return event.judgement.public()
        case Settlement():
            return event.judgement.public(), event.usage


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("flagged", [False, True])
@pytest.mark.parametrize(
    "does",
    [Does.PASSES, Does.FLAGS, Does.UNSURE, Does.ERROR, Does.CRASH, Does.HANG, Does.LATE, Does.STUBBORN],
)
def test_an_answer_is_the_same_with_any_shadow(mode: Mode, flagged: bool, does: Does) -> None:
    """The same text at the same time with the same verdicts, whatever the shadow does."""

    def judge() -> ScriptedJudge:
        return ScriptedJudge([Answering(wait=Wait(seconds=2))] * 20, flagged=("five",) if flagged else ())

    async def beside() -> list[tuple[str, object]]:
        candidate = ScriptedJudge([Answering(does, Wait(seconds=1))] * 50, id="candidate")
        one = shadow(candidate, Heard(), in_flight=2, timeout=3)
        left = await answered(mode, ShadowedJudge(judge(), [one]))
        assert candidate.calls
        await one.close()
        return left

    assert run(beside()) == run(answered(mode, judge()))


def test_a_check_names_its_request_and_tenant() -> None:
    async def checks() -> set[tuple[str, str]]:
        judge = ScriptedJudge()
        await answered(Mode.WINDOW, judge)
        return {(call.check.request_id, call.check.cache_salt) for call in judge.calls}

    assert run(checks()) == {("request-1", "khouribga")}


def test_the_shadowed_judge_keeps_the_judges_name() -> None:
    shadowed = ShadowedJudge(ScriptedJudge(id="judge", digest="d"), [])
    assert (shadowed.id, shadowed.digest) == ("judge", "d")
