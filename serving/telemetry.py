"""Traces and metrics of one process.

Span and attribute names follow the OpenTelemetry semantic conventions for generative AI; metric names carry
`mizan_`. Neither ever holds text of a prompt or an answer.
"""

import os
from pathlib import Path
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from serving.settings import TelemetrySettings

if _FOLDER := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    # The client library fails at the first metric where the folder is missing, as on a node of a cluster.
    Path(_FOLDER).mkdir(parents=True, exist_ok=True)

TRACER: Final = trace.get_tracer("mizan")

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

REQUESTS = Counter(
    "mizan_requests", "Requests by route, HTTP status and outcome.", ["route", "status", "outcome"]
)
RESPONSES = Counter(
    "mizan_http_responses", "HTTP responses by route and status, refused ones included.", ["route", "status"]
)
REQUEST_SECONDS = Histogram(
    "mizan_request_seconds", "Duration of requests, to the last byte.", ["route"], buckets=_SECONDS
)
FIRST_RELEASE_SECONDS = Histogram(
    "mizan_first_release_seconds", "From request to the first released tokens.", buckets=_SECONDS
)
IN_FLIGHT = Gauge("mizan_requests_in_flight", "Requests being worked on.", multiprocess_mode="livesum")
TOKENS = Counter("mizan_tokens", "Tokens of the native model by fate.", ["fate"])
EXPOSED = Histogram(
    "mizan_exposed_tokens",
    "Tokens that had left before the judge's first finding, of answers that did not pass, by mode.",
    ["mode"],
    buckets=(0, 1, 4, 16, 64, 256, 1024, 4096),
)
JUDGE_CALLS = Counter("mizan_judge_calls", "Judge calls by stage and outcome.", ["stage", "outcome"])
JUDGE_SECONDS = Histogram("mizan_judge_call_seconds", "Duration of judge calls.", ["stage"], buckets=_SECONDS)
JUDGE_TOKENS = Counter("mizan_judge_tokens", "Prompt tokens of judge calls.", ["kind"])
SHADOW_CHECKS = Counter(
    "mizan_shadow_checks",
    "Checks offered to shadow judges, by what came of them.",
    ["shadow", "stage", "result"],
)
SHADOW_SECONDS = Histogram(
    "mizan_shadow_seconds", "Duration of checks by shadow judges.", ["shadow"], buckets=_SECONDS
)
JUDGE_CHECKS_IN_FLIGHT = Gauge(
    "mizan_judge_checks_in_flight", "Checks queued or under way.", multiprocess_mode="livesum"
)
JUDGE_PRESSURE = Gauge(
    "mizan_judge_pressure", "How far the bounds on the judge are used up.", multiprocess_mode="livemax"
)
JUDGE_CIRCUIT = Gauge("mizan_judge_circuit", "0 closed, 1 half open, 2 open.", multiprocess_mode="livemax")
JUDGE_CIRCUIT_TRANSITIONS = Counter(
    "mizan_judge_circuit_transitions", "Changes of the circuit towards the judge.", ["to"]
)
SHED = Counter("mizan_shed", "Requests refused because of the judge.", ["tenant", "reason"])
VIOLATIONS = Counter("mizan_violations", "Violations that count towards a quarantine.", ["tenant", "stage"])
QUARANTINES = Counter("mizan_quarantines", "Quarantines imposed and lifted.", ["change"])
QUARANTINED = Gauge(
    "mizan_quarantined_applications", "Applications shut out now.", multiprocess_mode="livemax"
)
LIMIT_REFUSALS = Counter("mizan_limit_refusals", "Requests refused by a tenant's limit.", ["tenant", "limit"])
LIMIT_TOKENS = Counter("mizan_limit_tokens", "Tokens charged to a tenant's limits.", ["tenant"])
LIMIT_STORE_FAILURES = Counter("mizan_limit_store_failures", "Claims that Redis could not count.")

MOST_TENANTS: Final = 200
"""Tenants that metrics tell apart; the others are one label, so that a large directory costs no memory."""

_tenants: set[str] = set()


def tenant_label(tenant: str) -> str:
    """The label of a tenant that the directory knows."""
    if tenant not in _tenants:
        if len(_tenants) >= MOST_TENANTS:
            return "other"
        _tenants.add(tenant)
    return tenant


def start_tracing(settings: TelemetrySettings) -> None:
    """Install the exporter the settings name, once per process."""
    if settings.traces == "none":
        return
    provider = TracerProvider(
        resource=Resource.create({"service.name": settings.service_name}),
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
    )
    if settings.traces == "otlp":
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    else:
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)


def exposition() -> bytes:
    """All metrics of this machine in Prometheus' text format.

    With PROMETHEUS_MULTIPROC_DIR set, every process of the stack (gateways and engines, vLLM's own metrics
    included) writes into that folder and each gateway answers for all of them.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder and Path(folder).is_dir():
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # untyped library
        return generate_latest(registry)
    return generate_latest()
