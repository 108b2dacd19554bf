"""The settings of the HTTP front."""

from pydantic import Field, SecretStr

from serving.settings.section import Section


class GatewaySettings(Section):
    """The HTTP front: where it listens and how much a request may ask for."""

    host: str = Field(default="127.0.0.1", description="Address the gateway listens on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the gateway listens on.")
    replicas: int = Field(default=1, ge=1, le=256, description="Gateway replicas.")
    max_ongoing_requests: int = Field(
        default=256, ge=1, description="Requests one gateway replica works on at a time."
    )
    max_queued_requests: int = Field(
        default=1024, ge=1, description="Requests waiting for a gateway replica before 503."
    )
    max_body_bytes: int = Field(
        default=1_500_000, ge=1024, description="Largest request body; larger: 413."
    )  # 200,000 Arabic characters, each spelled as an escape, and what is around them
    max_arriving_bodies: int | None = Field(
        default=None,
        ge=1,
        description="Bodies of one tenant that one gateway replica reads at a time, further ones: 429. "
        "Default: a quarter of `max_ongoing_requests`, at least 4.",
    )
    max_choices: int = Field(default=4, ge=1, le=128, description="Largest `n`.")
    max_output_tokens: int = Field(default=4096, ge=1, description="Largest `max_tokens`.")
    default_output_tokens: int = Field(
        default=512, ge=1, description="`max_tokens` of a request that names none."
    )
    request_timeout: float = Field(default=600, gt=0, description="Seconds a request may take in all.")
    body_timeout: float = Field(default=10, gt=0, description="Seconds a request body may take to arrive.")
    max_moderated_characters: int = Field(
        default=200_000, ge=1, description="Most characters that one request to /v1/moderations has judged."
    )
    metrics_token: SecretStr | None = Field(
        default=None, min_length=16, description="Bearer token that opens /metrics, which names tenants."
    )
    metrics_open: bool = Field(
        default=True,
        description="Whether /metrics answers without a token where none is set; not so in production mode.",
    )
    health_details: bool = Field(
        default=True,
        description="Whether /health/ready says why a part is not ready, or only which one, as in production "
        "mode. The log says why in any case.",
    )

    @property
    def arriving_bodies(self) -> int:
        """Bodies of one tenant that a replica reads at a time."""
        return self.max_arriving_bodies or max(4, self.max_ongoing_requests // 4)

    @property
    def url(self) -> str:
        """Where the gateway is reached from its own machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
