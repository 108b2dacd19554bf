"""`POST /v1/moderations`: an application has its own texts judged by the tenant's policy.

Source: the OpenAI API reference, `POST /v1/moderations`.
"""

import asyncio
import uuid
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from serving.admission import policy_of, read_body
from serving.errors import RequestError
from serving.judging.asking import ask
from serving.judging.conversation import Check, Stage
from serving.judging.policy import Policy
from serving.judging.protocols import Judge
from serving.judging.verdict import Outcome, Verdict
from serving.moderations.request import ModerationRequest, parse_moderation_request
from serving.moderations.results import result_of
from serving.presence import while_connected
from serving.services import Caller, Services

TEXTS_AT_ONCE = 4
"""Texts of one request that the judge is asked about at a time: answers under way come between them."""


async def moderated(request: Request, services: Services, who: Caller) -> JSONResponse:
    """Answer a request. Raises RequestError."""
    texts = parse_moderation_request(await read_body(request, services.settings))
    require_judge(texts, services.judge)
    require_length(texts, services.settings.max_moderated_characters)
    policy = policy_of(services, who.tenant)
    visit = await services.entrance.enter_texts(who.principal, who.tenant, texts.texts)
    # Who leaves early, or sends what can't be decided in time, has made the judge work all the same.
    judge_tokens: int | None = None
    try:
        work = moderate(texts, services.judge, policy, who.tenant.id)
        answer = await while_connected(request.receive, work)
        judge_tokens = sum(result["judgement"]["judge_tokens"]["prompt"] for result in answer["results"])
    finally:
        visit.leave_judged(judge_tokens)
    return JSONResponse(answer, headers=visit.headers)


def require_judge(request: ModerationRequest, judge: Judge) -> None:
    """Raise RequestError 404 where the request names another judge. OpenAI's names stand for the judge."""
    if not request.names(judge.id):
        raise RequestError(404, "There is no such judge.", code="model_not_found", param="model")


def require_length(request: ModerationRequest, most: int) -> None:
    """Raise RequestError 400 where the texts are longer, together, than `most` characters.

    A long text is judged in pieces: without a bound, one request keeps the judge from everybody else.
    """
    length = sum(map(len, request.texts))
    if length > most:
        message = f"input has {length} characters, the most is {most}. Split it into several requests."
        raise RequestError(400, message, code="string_above_max_length", param="input")


async def moderate(
    request: ModerationRequest, judge: Judge, policy: Policy, cache_salt: str
) -> dict[str, Any]:
    """Judge every text. Raises RequestError 503 where the judge could not decide on one: doubt is no pass."""
    turns = asyncio.Semaphore(TEXTS_AT_ONCE)

    async def judged(text: str) -> Verdict:
        async with turns:
            return await ask(judge, policy, Check(Stage.TEXT, (), text, cache_salt))

    verdicts = await asyncio.gather(*map(judged, request.texts))
    if any(verdict.outcome is Outcome.UNDECIDED for verdict in verdicts):
        raise RequestError(
            503, "The judge could not decide.", code="judge_undecided", headers={"Retry-After": "1"}
        )
    return {
        "id": f"modr-{uuid.uuid4().hex}",
        "model": judge.id,
        "results": [result_of(verdict, policy) for verdict in verdicts],
    }
