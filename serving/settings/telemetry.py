"""The settings of traces."""

from typing import Literal

from pydantic import Field, model_validator

from serving.settings.section import Section


class TelemetrySettings(Section):
    """Where traces go. Metrics are always at /metrics."""

    traces: Literal["none", "console", "otlp"] = Field(default="none", description="Exporter of traces.")
    endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP endpoint of the collector, as in http://127.0.0.1:4318/v1/traces.",
    )
    service_name: str = Field(default="mizan", min_length=1, description="service.name of the resource.")
    sample_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of requests that are traced.")

    @model_validator(mode="after")
    def _endpoint_known(self) -> "TelemetrySettings":
        if self.traces == "otlp" and not self.endpoint:
            raise ValueError("endpoint is needed where traces is otlp")
        return self
