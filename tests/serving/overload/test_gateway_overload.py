"""Over HTTP: refused before the native model spends a token, and admitted again by itself."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest

from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError
from serving.overload.settings import OverloadSettings
from serving.simulator import Script
from tests.serving.conftest import MakeStack
from tests.serving.gateways import SCORES, Stack


def hold(stack: Stack) -> asyncio.Event:
    """Make the judge wait until the event is set."""
    gate, score = asyncio.Event(), stack.judge.score

    async def waiting(questions: Sequence[Question]) -> list[LabelScores | JudgeError]:
        await gate.wait()
        return await score(questions)

    stack.judge.score = waiting  # type: ignore[method-assign]  # a judge that a test holds back
    return gate


async def under_way(stack: Stack, count: int) -> None:
    async with asyncio.timeout(60):
        while stack.services.entrance.judge._load.checks < count:  # noqa: ASYNC110  nothing to wait on
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("route", ["chat", "moderations"])
async def test_overloaded(make_stack: MakeStack, route: str) -> None:
    stack = make_stack(overload=OverloadSettings(max_checks=3))
    gate = hold(stack)
    # The scorer took the judge's method when the stack was built.
    stack.verdicts._judge._judge._scorer._call = stack.judge.score  # type: ignore[attr-defined]  # test's own wiring
    running = [asyncio.create_task(stack.chat()) for _ in range(3)]
    await under_way(stack, 3)
    generations = len(stack.engine.generations)

    async def ask() -> httpx.Response:
        if route == "chat":
            return await stack.chat()
        return await stack.client().post("/v1/moderations", json={"input": "bonjour"})

    refused = await ask()
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "judge_overloaded"
    assert int(refused.headers["retry-after"]) >= 1
    assert len(stack.engine.generations) == generations, "not a token of the native model"
    gate.set()
    for response in await asyncio.gather(*running):
        assert response.status_code == 200
    assert (await ask()).status_code == 200


async def test_gone_and_back(make_stack: MakeStack) -> None:
    settings = OverloadSettings(breaker_failures=3, breaker_open_seconds=0.05)
    stack = make_stack(judge=Script(judge=SCORES, judge_fault="error"), overload=settings)
    outcomes = []
    for _ in range(30):
        response = await stack.chat(stream=False)
        if response.status_code == 503:
            break
        outcomes.append(response.json()["judgement"]["outcome"])
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "judge_unavailable"
    assert response.headers["retry-after"] == "1"
    assert set(outcomes) == {"undecided"}, "what was running has failed closed"
    stack.judge.script = Script(judge=SCORES)
    async with asyncio.timeout(60):
        while (response := await stack.chat()).status_code == 503:  # noqa: ASYNC110  nothing to wait on
            await asyncio.sleep(0.02)
    assert response.json()["judgement"]["outcome"] == "passed"
