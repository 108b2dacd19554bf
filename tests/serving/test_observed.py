"""Spans and metrics of requests: complete, and without a word of what was said."""

import asyncio
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import REGISTRY

from serving.simulator import Script

from .conftest import MakeStack
from .gateways import CHAT, SCORES, Stack

SECRET = "pangolin"


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def requests(status: int, outcome: str) -> float:
    return value("mizan_requests_total", route=CHAT, status=str(status), outcome=outcome)


def named(spans: InMemorySpanExporter, name: str) -> list[Any]:
    return [span for span in spans.get_finished_spans() if span.name == name]


async def test_spans_of_an_answer(stack: Stack, spans: InMemorySpanExporter) -> None:
    await stack.chat()
    [server], [engine] = named(spans, f"POST {CHAT}"), named(spans, "chat simulated")
    judged = named(spans, "chat simulated-judge")
    assert server.kind is SpanKind.SERVER
    assert server.attributes["http.response.status_code"] == 200
    assert server.attributes["mizan.outcome"] == "passed"
    assert server.attributes["gen_ai.usage.output_tokens"] == 9
    assert engine.kind is SpanKind.CLIENT
    assert engine.attributes["gen_ai.usage.output_tokens"] == 9
    assert len(judged) >= 2
    assert {span.attributes["mizan.stage"] for span in judged} == {"prompt", "answer"}
    assert judged[0].events[0].attributes["gen_ai.evaluation.score.label"] == "passed"
    for span in (engine, *judged):
        assert span.parent is not None
        assert span.parent.span_id == server.context.span_id


async def test_neither_spans_nor_metrics_hold_text(
    make_stack: MakeStack, spans: InMemorySpanExporter
) -> None:
    stack = make_stack(script=Script(answers={"": f"{SECRET} zarzour"}))
    await stack.chat(f"{SECRET} ?", stream=True)
    await stack.chat(f"{SECRET} zarzour ?", user=SECRET)
    assert spans.get_finished_spans()
    assert all(SECRET not in span.to_json() for span in spans.get_finished_spans())
    assert SECRET not in (await stack.client(None).get("/metrics")).text


@pytest.mark.parametrize(
    ("script", "settings", "status", "outcome"),
    [
        ({}, {}, 200, "passed"),
        ({"answers": {"": "zarzour"}}, {}, 200, "flagged"),
        ({"fail_after": 0}, {}, 502, "model_failed"),
        ({"token_delay": 30}, {"request_timeout": 0.1}, 504, "timeout"),
    ],
)
async def test_every_request_is_counted_once(
    make_stack: MakeStack, script: dict[str, Any], settings: dict[str, Any], status: int, outcome: str
) -> None:
    before = requests(status, outcome)
    stack = make_stack(script=Script.model_validate(script), **settings)
    for stream in (False, True):
        await stack.chat(stream=stream)
    assert requests(status, outcome) == before + 2
    assert value("mizan_requests_in_flight") == 0


async def test_tokens_and_judge_calls_are_counted(make_stack: MakeStack) -> None:
    names = ("generated", "judged", "released", "wasted", "exposed")
    before = {name: value("mizan_tokens_total", fate=name) for name in names}
    calls = value("mizan_judge_calls_total", stage="prompt", outcome="passed")
    answer = (await make_stack().chat()).json()
    for name in names:
        counted = value("mizan_tokens_total", fate=name) - before[name]
        assert counted == answer["judgement"]["tokens"][name]
    assert value("mizan_judge_calls_total", stage="prompt", outcome="passed") == calls + 1


async def test_a_failing_judge_and_engine_show(make_stack: MakeStack, spans: InMemorySpanExporter) -> None:
    errors = value("mizan_judge_calls_total", stage="prompt", outcome="error")
    judge = Script(judge=SCORES, judge_fault="error")
    await make_stack(judge=judge, script=Script(token_delay=0.05)).chat()
    assert value("mizan_judge_calls_total", stage="prompt", outcome="error") == errors + 1
    await make_stack(script=Script(fail_after=0)).chat()
    engines = named(spans, "chat simulated")
    assert engines[-1].status.status_code is StatusCode.ERROR
    assert engines[-1].status.description == "EngineError"


@pytest.mark.parametrize(("traces", "seen"), [("console", True), ("none", False)])
def test_the_console_exporter(traces: str, seen: bool) -> None:
    """In a process of its own: a process has one tracer provider."""
    program = (
        "from serving.settings import TelemetrySettings\n"
        "from serving.telemetry import TRACER, start_tracing\n"
        f"start_tracing(TelemetrySettings(traces={traces!r}, service_name='scales'))\n"
        "TRACER.start_span('weighing').end()\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603  ours
    assert ("weighing" in result.stdout and "scales" in result.stdout) is seen


def test_metrics_of_several_processes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "from serving.telemetry import TOKENS; TOKENS.labels('released').inc(5)"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603  ours
    read = "from serving.telemetry import exposition; print(exposition().decode())"
    result = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True)  # noqa: S603  ours
    assert 'mizan_tokens_total{fate="released"} 10.0' in result.stdout


async def test_refused_requests_are_counted_without_made_up_labels(stack: Stack) -> None:
    def count(route: str, status: str) -> float:
        labels = {"route": route, "status": status}
        return REGISTRY.get_sample_value("mizan_http_responses_total", labels) or 0.0

    before = count("/v1/chat/completions", "401"), count("unknown", "404")
    client = stack.client(None)
    await client.post("/v1/chat/completions", json={})
    await client.get("/made/up")
    after = count("/v1/chat/completions", "401"), count("unknown", "404")
    assert after == (before[0] + 1, before[1] + 1)


async def test_reading_metrics_holds_up_nobody(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[int] = []
    most: list[int] = []

    def slow() -> bytes:
        assert threading.current_thread() is not threading.main_thread()
        readers.append(1)
        most.append(len(readers))
        time.sleep(0.02)
        readers.pop()
        return b"metrics"

    monkeypatch.setattr("serving.gateway.exposition", slow)
    answers = await asyncio.gather(*(stack.client().get("/metrics") for _ in range(4)))
    assert [answer.content for answer in answers] == [b"metrics"] * 4
    assert most == [1] * 4
