"""Routes for supervisors: `/v1/supervisor/quarantines`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from auth.principal import Principal
from serving.admission import read_body
from serving.errors import RequestError
from serving.openai_api import refusal_of
from serving.operators import operator
from serving.services import Services
from serving.strict import Strict

ROUTE = "/v1/supervisor/quarantines"


class QuarantineRequest(Strict):
    """An application to be quarantined, and why."""

    application: str = Field(min_length=1, max_length=255)
    reason: str = Field(min_length=1, max_length=500)


def supervision(services: Services) -> APIRouter:
    """The routes, each for the role `supervisor`."""
    router = APIRouter(prefix=ROUTE)
    supervisor = Annotated[Principal, Depends(operator(services, "supervisor"))]
    quarantine = services.entrance.quarantine

    @router.get("")
    async def quarantines(request: Request, _: supervisor) -> dict[str, Any]:
        """Who is quarantined now, oldest first; with `lifted=true`, who was, latest first."""
        lifted = request.query_params.get("lifted") == "true"
        entries = await (quarantine.lifted() if lifted else quarantine.active())
        return {"object": "list", "data": [entry.public() for entry in entries]}

    @router.post("")
    async def impose(request: Request, who: supervisor) -> JSONResponse:
        """Quarantine an application. 409 where it is already."""
        body = await read_body(request, services.settings)
        try:
            wanted = QuarantineRequest.model_validate_json(body)
        except ValidationError as error:
            raise refusal_of(error) from None
        if not await quarantine.impose(wanted.application, wanted.reason, named(who)):
            raise RequestError(409, "This application is quarantined already.", code="already_quarantined")
        return JSONResponse({"application": wanted.application, "quarantined": True}, 201)

    @router.delete("/{application:path}")
    async def lift(request: Request, application: str, who: supervisor) -> dict[str, Any]:
        """Let an application in again, for the `reason` of the query. 404 where it is not quarantined."""
        reason = request.query_params.get("reason", "")[:500] or None
        entry = await quarantine.lift(application, named(who), reason)
        if entry is None:
            raise RequestError(404, "This application is not quarantined.", code="not_quarantined")
        return entry.public()

    return router


def named(who: Principal) -> str:
    """Who a supervisor is, in records: the subject, and the client it came through."""
    return f"{who.subject} ({who.application})"
