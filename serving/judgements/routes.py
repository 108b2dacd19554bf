"""`GET /v1/judgements/{request_id}`: the verdicts on a request, for the tenant that owns it."""

import re
import time
from typing import Any

import structlog

from serving.errors import RequestError
from serving.judgements.store import JudgementsUnavailable
from serving.services import Caller, Services

LOG = structlog.get_logger(__name__)

_ID = re.compile(r"(?:chatcmpl-|cmpl-)?([0-9a-f]{32})")


async def judgement_of(services: Services, who: Caller, request_id: str) -> dict[str, Any]:
    """A judgement of the caller's own tenant, by the id of the answer or of the request.

    Raises RequestError 404, the same for another tenant's, an old one and none; 503 where the store fails.
    """
    match = _ID.fullmatch(request_id)
    try:
        found = match and await services.judgements.find(who.tenant.id, match.group(1), time.time())
    except JudgementsUnavailable as error:
        LOG.warning("judgements_unavailable", reason=str(error))
        message = "Judgements cannot be read now."
        raise RequestError(503, message, code="unavailable", headers={"Retry-After": "5"}) from None
    if not found:
        message = "There is no such judgement, or not any more."
        raise RequestError(404, message, code="judgement_not_found", param="request_id")
    return found
