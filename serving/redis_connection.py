"""The Redis that gateway replicas share."""

import ssl
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from auth.user_path import UserPath

if TYPE_CHECKING:
    import redis.asyncio

_SCHEMES = ("redis://", "rediss://", "unix://")


class RedisSettings(BaseModel):
    """Where gateway replicas keep what they must agree on. Without a URL each keeps its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = Field(
        default=None,
        description="redis://, rediss:// (TLS) or unix:// address, with user and password where needed; "
        "empty for none.",
    )
    ca_file: UserPath | None = Field(
        default=None, description="PEM file of the authority that signed Redis's certificate (rediss://)."
    )
    prefix: str = Field(
        default="mizan",
        pattern=r"^[a-z0-9-]{1,32}$",
        description="First part of every key: one for each stack that shares a Redis.",
    )
    timeout: float = Field(default=0.5, gt=0, le=30, description="Seconds Redis has to answer.")
    connections: int = Field(default=32, ge=1, description="Most connections of one gateway replica.")

    @model_validator(mode="after")
    def _known_scheme(self) -> Self:
        if self.url is not None and not self.url.get_secret_value().startswith(_SCHEMES):
            raise ValueError(f"url must begin with {', '.join(_SCHEMES)}")
        return self


def connect(settings: RedisSettings) -> "redis.asyncio.Redis | None":
    """A client, or None where no URL is set. Connects when it is first used; close it when done."""
    if settings.url is None:
        return None
    import redis.asyncio  # noqa: PLC0415  not needed to read settings
    from redis.asyncio.retry import Retry  # noqa: PLC0415  as above
    from redis.backoff import NoBackoff  # noqa: PLC0415  as above

    url = settings.url.get_secret_value()
    more: dict[str, object] = {}
    if url.startswith("rediss://"):
        more = {
            "ssl_ca_certs": str(settings.ca_file) if settings.ca_file else None,
            "ssl_cert_reqs": "required",
        }
        more["ssl_min_version"] = ssl.TLSVersion.TLSv1_2
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=settings.connections,
        timeout=settings.timeout,
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
        # A script that was sent twice would count twice; whoever calls decides what a failure means.
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        **more,
    )
    return redis.asyncio.Redis.from_pool(pool)
