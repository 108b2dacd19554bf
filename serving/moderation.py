"""`POST /v1/moderations`: an application has its own texts judged by the tenant's policy.

Source: the OpenAI API reference, `POST /v1/moderations`. Categories are the policy's and the judge's own.
"""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from serving.admission import policy_of, read_body
from serving.errors import RequestError
from serving.judging.asking import ask
from serving.judging.conversation import Check, Stage
from serving.judging.judgement import Judgement
from serving.judging.policy import Policy
from serving.judging.protocols import Judge
from serving.judging.verdict import Outcome, Verdict
from serving.openai_api import MOST_ERRORS, refusal_of
from serving.presence import while_connected
from serving.services import Caller, Services
from serving.strict import Strict

MOST_TEXTS = 32
TEXTS_AT_ONCE = 4
"""Texts of one request that the judge is asked about at a time: answers under way come between them."""


class ModerationRequest(Strict):
    """The texts to be judged. `model` may name the judge, and nothing else."""

    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
    model: str | None = Field(default=None, max_length=256)

    @property
    def texts(self) -> Sequence[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def parse_moderation_request(body: bytes) -> ModerationRequest:
    """Parse a request body. Raises RequestError 400 that names the field."""
    try:
        return ModerationRequest.model_validate_json(body)
    except ValidationError as error:
        if error.error_count() <= MOST_ERRORS and any(
            detail["loc"][:1] == ("input",) for detail in error.errors()
        ):
            message = f"input must be a text, or a list of 1 to {MOST_TEXTS} texts."
            raise RequestError(400, message, code="invalid_value", param="input") from None
        raise refusal_of(error) from None


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
    """Raise RequestError 404 where the request names another judge."""
    if request.model not in {None, judge.id}:
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
        "results": [_result(verdict, policy) for verdict in verdicts],
    }


def _result(verdict: Verdict, policy: Policy) -> dict[str, Any]:
    judgement = Judgement(policy, verdict)
    judgement.count(verdict)
    flags: dict[str, bool] = {}
    scores: dict[str, float] = {}
    for finding in verdict.findings:
        name = finding.category or finding.criterion
        flags[name] = flags.get(name, False) or finding.flagged
        scores[name] = max(scores.get(name, 0.0), finding.score)
    return {
        "flagged": verdict.outcome is Outcome.FLAGGED,
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in flags},
        "judgement": judgement.public(),
    }
