"""Building the store that the settings describe."""

from pathlib import Path

from serving.judgements.local import SqliteJudgements
from serving.judgements.settings import JudgementsSettings
from serving.judgements.store import JudgementStore
from serving.redis_connection import RedisSettings, connect


def build_judgements(settings: JudgementsSettings, redis: RedisSettings, state: Path) -> JudgementStore:
    """Keep judgements in Redis where there is one, else in a file of the state folder."""
    connection = connect(redis)
    if connection is None:
        return SqliteJudgements(state / "judgements.sqlite", settings)
    from serving.judgements.shared import RedisJudgements  # noqa: PLC0415  not needed without Redis

    return RedisJudgements(connection, redis.prefix, settings)
