"""The settings of the Ray cluster."""

from pydantic import Field

from serving.settings.section import Section


class RaySettings(Section):
    """The Ray cluster that the stack runs on."""

    address: str | None = Field(
        default=None,
        description="Address of a running Ray cluster (host:port); absent, Ray is started on this machine.",
    )
    cpus: int | None = Field(
        default=None,
        ge=1,
        description="Logical CPUs of a local Ray; absent, at least 4 whatever the machine.",
    )
    object_store_bytes: int = Field(
        default=256 << 20,
        ge=80 << 20,
        description="Object store of a local Ray; answers travel outside of it.",
    )
    start_timeout: float = Field(default=600, gt=0, description="Seconds the stack may take to become ready.")
