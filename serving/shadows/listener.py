"""What becomes of a shadow's comparisons: counters, and the record of disagreements."""

import asyncio
import uuid
from collections.abc import Callable

import structlog

from serving.judging.shadow import Comparison
from serving.shadows.disagreements import Disagreements
from serving.telemetry import SHADOW_CHECKS, SHADOW_SECONDS

LOG = structlog.get_logger(__name__)


class ShadowListener:
    """Counts in the metrics and keeps disagreements. `retention_days` of a tenant says whether its texts may
    be kept. A record that can't be written is logged."""

    def __init__(self, disagreements: Disagreements, retention_days: Callable[[str], int]) -> None:
        self._disagreements = disagreements
        self._retention_days = retention_days

    def count(self, comparison: Comparison) -> None:
        stage = comparison.check.stage.value
        SHADOW_CHECKS.labels(comparison.shadow, stage, comparison.result.value).inc()
        if comparison.candidate is not None:
            SHADOW_SECONDS.labels(comparison.shadow).observe(comparison.seconds)

    async def keep(self, comparison: Comparison) -> None:
        try:
            days = self._days(comparison.check.cache_salt)
            request = comparison.check.request_id or uuid.uuid4().hex
            await asyncio.to_thread(self._disagreements.add, comparison, request, days)
        except Exception as error:  # noqa: BLE001  a full disk must not become the traffic's concern
            LOG.warning("shadow disagreement not kept", shadow=comparison.shadow, error=str(error))

    def _days(self, tenant: str) -> int:
        try:
            return self._retention_days(tenant)
        except Exception:  # noqa: BLE001  a tenant that is not to be found has allowed nothing
            return 0
