"""The way of one generating request through admission, chain and bookkeeping to its response."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from serving.accounting import Account
from serving.admission import admit
from serving.answers import Envelope, complete
from serving.completions import CompletionEnvelope, CompletionRequest
from serving.conversations import conversation_of
from serving.judgements.keeping import kept
from serving.judging.chain import Chain, Event
from serving.judging.conversation import Conversation, Message
from serving.judging.protocols import Generation
from serving.judging.repair import Repairing
from serving.openai_api import ChatRequest
from serving.outputs.presented import PresentedEngine
from serving.presence import while_connected
from serving.services import Caller, Services
from serving.streaming import JudgedStream


async def respond(
    services: Services, who: Caller, request: Request, asked: ChatRequest | CompletionRequest
) -> Response:
    """Generate, judge and release. Raises RequestError and EngineError before anything was sent."""
    policy, generation = admit(services, who, asked)
    conversation: Conversation
    if isinstance(asked, ChatRequest):
        conversation, form = conversation_of(asked.messages, asked.tools or ()), Envelope
    else:
        conversation, form = (Message("user", asked.text),), CompletionEnvelope
    repairs = policy.action == "repair" and policy.enforcing and isinstance(asked, ChatRequest)
    repair = policy.repair if repairs else None
    visit = await services.entrance.enter(who.principal, who.tenant, generation, repair)
    engine = PresentedEngine(visit.metered(services.engine), policy.reasoning)

    def chain_of(one: Generation) -> Chain:
        return Chain(engine, services.judge, policy, one, conversation)

    chain = Repairing(chain_of, policy, generation) if repairs else chain_of(generation)
    envelope = form(
        request_id=generation.request_id,
        model=asked.model,
        accept_language=request.headers.get("accept-language"),
        include_usage=asked.include_usage,
    )
    account = Account(request.url.path, services.model, generation, policy)
    facts = {"route": request.url.path, "model": asked.model}
    events = account.watch(chain.run(), services.settings.request_timeout, visit)
    events = kept(events, services.judgements, who, generation.request_id, facts)
    headers = {
        **visit.headers,
        "x-mizan-policy": f"{policy.id}@{policy.version}",
        "x-mizan-mode": policy.mode.value,
        "x-mizan-judge": services.judge.id,
        "x-mizan-request-id": generation.request_id,
    }
    try:
        if asked.stream:
            return await _streamed(request, events, envelope, headers)
        return await _whole(request, events, envelope, headers, generation.n)
    except BaseException:
        visit.leave()  # events that were never begun end nothing
        raise


async def _whole(
    request: Request,
    events: AsyncGenerator[Event, None],
    envelope: Envelope,
    headers: dict[str, str],
    n: int,
) -> JSONResponse:
    async with aclosing(events):
        answer = await while_connected(request.receive, complete(events, envelope, n))
    return JSONResponse(answer, headers={**headers, "x-mizan-outcome": answer["judgement"]["outcome"]})


async def _streamed(
    request: Request, events: AsyncGenerator[Event, None], envelope: Envelope, headers: dict[str, str]
) -> JudgedStream:
    try:
        first = await while_connected(request.receive, _first(events))
    except BaseException:
        await events.aclose()
        raise
    return JudgedStream(first, events, envelope, headers)


async def _first(events: AsyncGenerator[Event, None]) -> Event:
    return await anext(events)
