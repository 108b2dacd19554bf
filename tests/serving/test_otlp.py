"""Spans as a collector receives them: OTLP over HTTP, by the conventions for generative AI, without text."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).parents[2]


@dataclass
class Collector:
    """What a collector was sent."""

    url: str = ""
    paths: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    bodies: list[bytes] = field(default_factory=list)


@pytest.fixture
def collector() -> Iterator[Collector]:
    received = Collector()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            received.paths.add(self.path)
            received.types.add(self.headers["content-type"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  as it is named there
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        received.url = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
        yield received
        server.shutdown()
        thread.join()


def exported(collector: Collector) -> tuple[dict[str, Any], list[Any]]:
    """The resource and all spans."""
    requests = [ExportTraceServiceRequest.FromString(body) for body in collector.bodies]
    groups = [group for request in requests for group in request.resource_spans]
    spans = [span for group in groups for scope in group.scope_spans for span in scope.spans]
    return attributes(groups[0].resource), spans


def attributes(of: Any) -> dict[str, Any]:
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in of.attributes}


def test_what_a_collector_receives(collector: Collector, tmp_path: Path) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MIZAN_", "OTEL_")) and not name.lower().endswith("_proxy")
    } | {
        "MIZAN_TELEMETRY__TRACES": "otlp",
        "MIZAN_TELEMETRY__ENDPOINT": collector.url,
        "MIZAN_TELEMETRY__SERVICE_NAME": "scales",
    }
    subprocess.run(  # noqa: S603  ours
        [sys.executable, "-m", "tests.serving.exporting_gateway", str(tmp_path)],
        cwd=ROOT, env=environment, check=True, timeout=240,
    )  # fmt: skip
    assert collector.paths == {"/v1/traces"}
    assert collector.types == {"application/x-protobuf"}
    resource, spans = exported(collector)
    assert resource["service.name"] == "scales"
    servers = [span for span in spans if span.name == "POST /v1/chat/completions"]
    assert sorted(attributes(span)["mizan.outcome"] for span in servers) == ["flagged", "passed"]
    below = [span for span in spans if span.parent_span_id in {server.span_id for server in servers}]
    assert len(below) == len(spans) - len(servers)
    for span in spans:
        seen = attributes(span)
        assert seen["gen_ai.operation.name"] == "chat"
        assert seen["gen_ai.provider.name"]
        assert seen["gen_ai.request.model"] in {"simulated", "simulated-judge"}
        assert seen["gen_ai.usage.input_tokens"] > 0
    judged = [span for span in below if span.name == "chat simulated-judge"]
    scores = [attributes(event) for span in judged for event in span.events]
    assert {score["gen_ai.evaluation.score.label"] for score in scores} == {"passed", "flagged"}
    for body in collector.bodies:
        for said in (b"pangolin", b"capybara", b"zarzour", b"eyJ"):
            assert said not in body
