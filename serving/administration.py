"""Routes for administrators: `/v1/admin/…`."""

import time
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends

from auth.principal import Principal
from serving.operators import operator
from serving.services import Services

LOG = structlog.get_logger(__name__)


def administration(services: Services) -> APIRouter:
    """The routes, each for the role `admin`."""
    router = APIRouter(prefix="/v1/admin")
    administrator = Annotated[Principal, Depends(operator(services, "admin"))]

    @router.get("/tenants")
    async def tenants(who: administrator) -> dict[str, Any]:
        """The tenant directory as this gateway has it, and what is wrong in it."""
        report = services.tenants.report()
        LOG.info("tenants shown", subject=who.subject, application=who.application)
        return {
            "object": "list",
            "source": report.source,
            "read_at": report.read_at,
            "age_seconds": None if report.read_at is None else max(0.0, time.time() - report.read_at),
            "problem": report.problem,
            "data": [entry.fields() for entry in report.entries],
        }

    return router
