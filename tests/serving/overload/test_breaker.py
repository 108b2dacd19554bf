"""The circuit towards the judge: opens, probes, closes; on the virtual clock."""

import asyncio
import json
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from auth.limits import TenantLimits
from auth.tenants import Tenant
from serving.errors import RequestError
from serving.judging.asking import ask
from serving.judging.conversation import Check
from serving.judging.policy import Policy
from serving.judging.protocols import JudgeError
from serving.judging.verdict import Verdict
from serving.overload.guard import GuardedJudge
from serving.overload.settings import OverloadSettings
from tests.serving.judging.virtual_time import run

from .judges import POLICY, PROMPT, ScriptedJudge

SETTINGS = OverloadSettings(
    breaker_failures=3, breaker_open_seconds=5, breaker_probe_timeout=2, max_latency=1000
)
TENANT = Tenant(id="khouribga", name="Khouribga")
GONE = JudgeError("unavailable", "no replica")


def refusal(guard: GuardedJudge, tenant: Tenant = TENANT) -> RequestError | None:
    try:
        guard.require_capacity(tenant)
    except RequestError as error:
        return error
    return None


async def fail(guard: GuardedJudge, times: int) -> list[str | None]:
    return [(await ask(guard, POLICY, PROMPT)).reason for _ in range(times)]


def transitions(to: str) -> float:
    return REGISTRY.get_sample_value("mizan_judge_circuit_transitions_total", {"to": to}) or 0.0


def test_opens_probes_and_closes_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: transitions(name) for name in ("open", "half_open", "closed")}

    async def scenario() -> None:
        judge = ScriptedJudge()
        guard = GuardedJudge(judge, SETTINGS)
        judge.error = GONE
        assert await fail(guard, 2) == ["unavailable"] * 2
        assert refusal(guard) is None
        assert await fail(guard, 1) == ["unavailable"]
        refused = refusal(guard)
        assert refused is not None
        assert (refused.status, refused.code) == (503, "judge_unavailable")
        assert refused.headers["Retry-After"] == "5"
        asked = judge.asked
        assert await fail(guard, 4) == ["circuit_open"] * 4, "requests already running fail closed, at once"
        assert judge.asked == asked
        await asyncio.sleep(5.2)
        assert judge.asked == asked + 1, "one probe, and it failed"
        assert refusal(guard) is not None
        judge.error = None
        await asyncio.sleep(5.2)
        assert refusal(guard) is None
        assert (await ask(guard, POLICY, PROMPT)).passed
        await guard.close()

    run(scenario())
    counted = {name: transitions(name) - before[name] for name in before}
    assert counted == {"open": 2, "half_open": 2, "closed": 1}
    assert REGISTRY.get_sample_value("mizan_judge_circuit") == 0
    logged = "".join(capsys.readouterr())
    assert logged.count("judge_circuit") == 5, "one line for each transition"
    assert json.dumps("unavailable").strip('"') in logged


def test_a_success_in_between_starts_the_count_anew() -> None:
    async def scenario() -> None:
        judge = ScriptedJudge()
        guard = GuardedJudge(judge, SETTINGS)
        for _ in range(5):
            judge.error = GONE
            await fail(guard, 2)
            judge.error = None
            assert (await ask(guard, POLICY, PROMPT)).passed
        assert refusal(guard) is None

    run(scenario())


def test_timeouts_count_and_clients_that_leave_do_not() -> None:
    async def scenario() -> None:
        guard = GuardedJudge(ScriptedJudge(seconds=3600), SETTINGS)
        leaving = [asyncio.create_task(ask(guard, POLICY, PROMPT)) for _ in range(10)]
        await asyncio.sleep(POLICY.judge_timeout / 2)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        assert refusal(guard) is None
        verdicts = await asyncio.gather(*(ask(guard, POLICY, PROMPT) for _ in range(3)))
        assert {verdict.reason for verdict in verdicts} == {"timeout"}
        assert refusal(guard) is None
        await asyncio.sleep(SETTINGS.breaker_probe_timeout + 0.1)  # a probe that is not answered either
        refused = refusal(guard)
        assert refused is not None
        assert refused.code == "judge_unavailable"
        await guard.close()

    run(scenario())


@pytest.mark.parametrize("reason", ["garbled", "no_question", "context_exceeded", "label"])
def test_a_text_that_cannot_be_judged_does_not_make_the_judge_look_gone(reason: str) -> None:
    async def scenario() -> None:
        judge = ScriptedJudge()
        judge.error = JudgeError(reason, "the text's fault")
        guard = GuardedJudge(judge, SETTINGS)
        assert await fail(guard, 20) == [reason] * 20
        assert refusal(guard) is None

    run(scenario())


def test_an_unforeseen_error_counts() -> None:
    async def scenario() -> None:
        judge = ScriptedJudge()
        judge.error = RuntimeError("boom")
        guard = GuardedJudge(judge, SETTINGS)
        assert await fail(guard, 3) == ["failed"] * 3
        await asyncio.sleep(0.2)
        assert refusal(guard) is not None
        await guard.close()

    run(scenario())


class SlowToRead(ScriptedJudge):
    """Takes for ever over long texts only."""

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        self.seconds = 3600 if len(check.text) > 1000 else 0.1
        return await super().judge(check, policy)


def test_texts_that_take_too_long_do_not_shut_out_everybody() -> None:
    async def scenario() -> None:
        guard = GuardedJudge(SlowToRead(), SETTINGS)
        heavy = replace(PROMPT, text="x" * 2000)
        for _ in range(5):
            verdicts = await asyncio.gather(*(ask(guard, POLICY, heavy) for _ in range(4)))
            assert {verdict.reason for verdict in verdicts} == {"timeout"}
            await asyncio.sleep(1)
            assert refusal(guard) is None
            assert (await ask(guard, POLICY, PROMPT)).passed
        await guard.close()

    run(scenario())


def test_old_failures_do_not_open_it_again() -> None:
    """Checks that hung before the judge came back time out after it."""

    async def scenario() -> None:
        judge = ScriptedJudge(seconds=3600)
        guard = GuardedJudge(judge, SETTINGS)
        hanging = [asyncio.create_task(ask(guard, POLICY, PROMPT)) for _ in range(10)]
        await asyncio.sleep(POLICY.judge_timeout - 6)
        judge.seconds, judge.error = 0.1, GONE
        await fail(guard, 3)
        judge.error = None
        await asyncio.sleep(5.2)
        assert refusal(guard) is None
        await asyncio.gather(*hanging)
        assert (await ask(guard, POLICY, PROMPT)).passed, "still closed"
        await guard.close()

    run(scenario())


def test_a_probe_that_hangs_is_given_up() -> None:
    async def scenario() -> None:
        judge = ScriptedJudge()
        judge.error = GONE
        guard = GuardedJudge(judge, SETTINGS)
        await fail(guard, 3)
        judge.seconds, judge.error = 3600, None
        await asyncio.sleep(5 + 2.1)
        assert refusal(guard) is not None
        judge.seconds = 0.1
        await asyncio.sleep(5.2)
        assert refusal(guard) is None

    run(scenario())


def test_overload_sheds_the_low_priorities_and_recovers() -> None:
    """Twice as much arrives as the judge can do, for a minute; then half as much."""
    settings = OverloadSettings(max_checks=1000, max_latency=2, window_seconds=5)
    priorities = (-100, 0, 100)
    tenants = {
        priority: Tenant(id=f"t{priority}", name="T", limits=TenantLimits(priority=priority))
        for priority in priorities
    }

    async def scenario() -> None:
        judge = ScriptedJudge(seconds=0.5, lanes=5)  # ten checks a second
        guard = GuardedJudge(judge, settings)
        waits: list[float] = []

        async def check() -> None:
            waits.append((await ask(guard, POLICY, PROMPT)).latency)

        async def arrivals(seconds: int, rate: int) -> dict[int, float]:
            admitted = dict.fromkeys(priorities, 0)
            tasks = []
            for number in range(seconds * rate):
                priority = priorities[number % 3]
                if refusal(guard, tenants[priority]) is None:
                    admitted[priority] += 1
                    tasks.append(asyncio.create_task(check()))
                await asyncio.sleep(1 / rate)
            await asyncio.gather(*tasks)
            return {priority: count * 3 / (seconds * rate) for priority, count in admitted.items()}

        busy = await arrivals(60, 20)
        assert busy[-100] < busy[0] < busy[100]
        assert sum(busy.values()) * 20 / 3 > 6, "the judge is kept at work: ten a second it can do"
        assert max(waits) < 6, "without refusals the queue would have grown to a minute"
        await asyncio.sleep(6)
        assert await arrivals(30, 5) == dict.fromkeys(priorities, 1.0)

    run(scenario())
