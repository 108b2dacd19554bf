"""Building the quarantine that the settings describe."""

from pathlib import Path

from serving.quarantine.local import SqliteStore
from serving.quarantine.quarantine import Quarantine
from serving.quarantine.settings import QuarantineSettings
from serving.quarantine.store import QuarantineStore
from serving.redis_connection import RedisSettings, connect


def build_quarantine(settings: QuarantineSettings, redis: RedisSettings, state: Path) -> Quarantine:
    """Keep quarantines in Redis where there is one, else in a file of the state folder."""
    connection = connect(redis)
    store: QuarantineStore = SqliteStore(state / "quarantine.sqlite")
    if connection is not None:
        from serving.quarantine.shared import RedisStore  # noqa: PLC0415  not needed without Redis

        store = RedisStore(connection, redis.prefix)
    return Quarantine(store, settings)
