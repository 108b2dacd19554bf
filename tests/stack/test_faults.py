"""What is killed, and what must not leave then."""

import time
from collections.abc import Callable

import httpx
import psutil
import pytest

from cluster.processes import marked
from tests.stack.running import LONG, Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SOONER = 25
"""Seconds. Told to its end (greedy, over a thousand tokens) the story takes two cores at least 35."""


def _processes(stack: Stack, title: str) -> list[psutil.Process]:
    return [process for process in marked(stack.instance) if title in " ".join(process.cmdline())]


def _until(condition: Callable[[], bool], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.2)


def _unfinished(stack: Stack) -> float:
    return stack.metric("vllm:num_requests_running") + stack.metric("vllm:num_requests_waiting")


def test_a_client_that_leaves_stops_generation_and_judging(stack: Stack) -> None:
    for _ in stack.stream(LONG, max_tokens=1000, temperature=0.0):
        break
    _until(lambda: stack.metric("mizan_requests_in_flight") == 0, SOONER)
    _until(lambda: _unfinished(stack) == 0, SOONER)


def test_a_client_that_leaves_a_whole_answer_stops_it_too(stack: Stack) -> None:
    with pytest.raises(httpx.ReadTimeout):
        stack.client.post(
            "/v1/chat/completions",
            json=stack.body(LONG, max_tokens=2000, temperature=0.0),
            headers=stack.headers(),
            timeout=1.0,
        )
    _until(lambda: stack.metric("mizan_requests_in_flight") == 0, SOONER)
    _until(lambda: _unfinished(stack) == 0, SOONER)


def test_killing_the_judge_in_mid_stream_releases_nothing_unjudged(stack: Stack) -> None:
    """What was released had a passing verdict: the stream is refused, or stands still until a judge is back.

    A judge that starts within the policy's `judge_timeout` answers the check that was waiting for it.
    """
    released, finish, judgement = 0, None, None
    killed_at, last, silence = 0.0, 0.0, 0.0
    # Greedy: this model then goes on for a thousand tokens. Sampled, it may end after a hundred.
    for seen, chunk in enumerate(stack.stream(LONG, max_tokens=1500, temperature=0.0), start=1):
        now = time.monotonic()
        if killed_at:
            silence = max(silence, now - last)
        for choice in chunk.get("choices", []):
            released += bool(choice["delta"].get("content")) and choice["finish_reason"] is None
            finish = choice["finish_reason"] or finish
        judgement = chunk.get("judgement") or judgement
        if seen == 10:
            (replica,) = _processes(stack, "ServeReplica:mizan:Judge")
            replica.kill()
            killed_at = now
        last = now
    assert killed_at
    assert judgement is not None
    if judgement["outcome"] == "undecided":
        assert finish == "content_filter"
    else:
        assert silence > 2, "no judge starts within two seconds, and nothing may leave without one"
    assert judgement["tokens"]["released"] <= judgement["tokens"]["judged"]
    assert released <= judgement["tokens"]["judged"]
    _until(lambda: stack.client.get("/health/ready").status_code == 200, 200)
    assert stack.ask().json()["judgement"]["outcome"] == "passed"
    assert len(_processes(stack, "ServeReplica:mizan:Judge")) == 1


def test_a_killed_native_replica_is_replaced_and_takes_its_engine_along(stack: Stack) -> None:
    """On a CPU engines are part of their replicas' processes: none can be left over, nor hold memory."""
    assert not _processes(stack, "VLLM::EngineCore")
    (replica,) = _processes(stack, "ServeReplica:mizan:Native")
    replica.kill()
    _until(lambda: stack.client.get("/health/ready").status_code != 200, 60)
    _until(lambda: stack.client.get("/health/ready").status_code == 200, 200)
    assert stack.ask().json()["judgement"]["outcome"] == "passed"
    assert len(_processes(stack, "ServeReplica:mizan:Native")) == 1
