"""Building the limiter that the settings describe."""

import structlog

from serving.limits.fallback import FallbackStore
from serving.limits.limiter import TenantLimiter
from serving.limits.memory import MemoryStore
from serving.limits.settings import LimitSettings
from serving.limits.store import LimitStore
from serving.redis_connection import RedisSettings, connect

_log = structlog.get_logger("mizan.limits")

MARGIN = 60.0
"""Seconds past the longest request after which one that was never ended stops counting."""


def build_limiter(
    settings: LimitSettings, redis: RedisSettings, replicas: int, request_timeout: float
) -> TenantLimiter:
    """Count in Redis where there is one, else in this process, which then grants its share of each limit."""
    local = MemoryStore(settings.lease_seconds, replicas)
    connection = connect(redis)
    store: LimitStore = local
    if connection is not None:
        from serving.limits.shared import RedisStore  # noqa: PLC0415  not needed without Redis

        shared = RedisStore(connection, redis.prefix, settings.lease_seconds)
        store = FallbackStore(shared, local, settings.unreachable, settings.retry_seconds)
    elif replicas > 1:
        _log.warning(
            "limits_divided", replicas=replicas, remedy="set redis.url, so that replicas count together"
        )
    return TenantLimiter(store, settings.lease_seconds, request_timeout + MARGIN)
