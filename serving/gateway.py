"""The HTTP front: routes, authentication, error mapping. What is decided is decided elsewhere."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from auth.refusals import AuthenticationError
from serving.administration import administration
from serving.admission import receive, require_model
from serving.answering import respond
from serving.arrivals import Arrivals
from serving.completions import parse_completion_request
from serving.errors import RequestError, as_request_error, error_response
from serving.http_metrics import HttpMetrics, require_metrics_token
from serving.judgements.routes import judgement_of
from serving.judging.protocols import EngineError
from serving.moderations.routes import moderated
from serving.openai_api import parse_chat_request
from serving.quarantine.routes import supervision
from serving.readiness import reason_of
from serving.services import Caller, Services
from serving.telemetry import exposition
from serving.unforeseen import Unforeseen


def create_gateway(services: Services) -> FastAPI:
    """Build the ASGI application. It has no documentation routes: the API is OpenAI's."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        yield
        services.tenants.close()
        await services.entrance.close()
        await services.operators.close()
        await services.judgements.close()
        await services.verifier.close()

    app = FastAPI(
        title="Mizan",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.arrivals = Arrivals(services.settings.arriving_bodies)
    app.add_middleware(Unforeseen)
    app.add_middleware(HttpMetrics)
    app.include_router(administration(services))
    app.include_router(supervision(services))
    app.add_exception_handler(HTTPException, _http_error)
    for known in (RequestError, *_KNOWN_ERRORS):
        app.add_exception_handler(known, _error)

    scraping = asyncio.Lock()

    async def authenticated(request: Request, scope: str) -> Caller:
        principal = await services.verifier.verify(request.headers.getlist("authorization"))
        principal.require(scope)
        tenant = services.tenants.get(principal.tenant)
        await services.entrance.quarantine.require_free(principal.application)
        request.state.tenant = tenant.id  # whose body it is: `read_body`
        return Caller(principal, tenant)

    async def caller(request: Request) -> Caller:
        return await authenticated(request, "chat")

    async def moderator(request: Request) -> Caller:
        return await authenticated(request, "moderate")

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        try:
            await services.ready()
        except Exception as error:  # noqa: BLE001  whatever is wrong, the answer is "not ready" and says why
            reason = reason_of(error, services.settings.health_details)
            return JSONResponse({"status": "not ready", "reason": reason}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        require_metrics_token(services.settings, request.headers.getlist("authorization"))
        # Many processes take a while to read: one at a time, off the event loop.
        async with scraping:
            text = await asyncio.to_thread(exposition)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models")
    async def models(who: Annotated[Caller, Depends(caller)]) -> dict[str, object]:
        known = [services.model] if who.tenant.allows_model(services.model) else []
        return {"object": "list", "data": [_model_object(services, model) for model in known]}

    @app.get("/v1/models/{model:path}")
    async def model_by_id(model: str, who: Annotated[Caller, Depends(caller)]) -> dict[str, object]:
        require_model(services, who.tenant, model)
        return _model_object(services, model)

    @app.post("/v1/chat/completions")
    async def chat(request: Request, who: Annotated[Caller, Depends(caller)]) -> Response:
        asked = await receive(services, who, request, parse_chat_request)
        return await respond(services, who, request, asked)

    @app.post("/v1/completions")
    async def completions(request: Request, who: Annotated[Caller, Depends(caller)]) -> Response:
        asked = await receive(services, who, request, parse_completion_request)
        return await respond(services, who, request, asked)

    @app.get("/v1/judgements/{request_id}")
    async def judgement(request_id: str, who: Annotated[Caller, Depends(caller)]) -> dict[str, object]:
        return await judgement_of(services, who, request_id)

    @app.post("/v1/moderations")
    async def moderations(request: Request, who: Annotated[Caller, Depends(moderator)]) -> JSONResponse:
        return await moderated(request, services, who)

    return app


def _model_object(services: Services, model: str) -> dict[str, object]:
    return {
        "id": model,
        "object": "model",
        "created": 0,
        "owned_by": "mizan",
        "max_model_len": services.context_length,
        "judge": services.judge.id,
    }


_KNOWN_ERRORS = (AuthenticationError, EngineError, ClientDisconnect)


async def _error(_: Request, error: Exception) -> Response:
    return error_response(as_request_error(error))


async def _http_error(_: Request, error: Exception) -> Response:
    """What the router itself refuses: unknown paths and methods."""
    status = getattr(error, "status_code", 500)
    message = {404: "There is no such route.", 405: "This route does not take that method."}.get(status)
    headers = getattr(error, "headers", None)  # Allow, with a 405
    return error_response(
        RequestError(status, message or "The request was refused.", code="invalid_route", headers=headers)
    )
