"""Logs hold no word of what was said, and no token, whatever becomes of a request."""

import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Delta, Generation, JudgeError
from serving.logs import configure_logs
from serving.simulator import Script

from .conftest import MakeStack
from .gateways import CHAT, SCORES, Model, Stack, ask

PROMPT, ANSWER = "pangolin", "capybara"


@pytest.fixture(autouse=True)
def _as_in_the_stack() -> Iterator[None]:
    before = structlog.get_config()
    configure_logs()
    yield
    structlog.configure(**before)


@pytest.fixture
def logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that was written to the console or handed to a logger since the test began."""
    caplog.set_level(logging.DEBUG)
    return lambda: "".join(capfd.readouterr()) + caplog.text


class Failing(Model):
    """Fails in the midst of it, with what was said in the error and in the variables around it."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        said = str(generation.body)
        async for delta in super().generate(generation):
            yield delta
            if delta.usage.completion_tokens > 3:
                raise RuntimeError(said)

    async def score(self, questions: Sequence[Question]) -> list[LabelScores | JudgeError]:
        said = str(questions)
        raise RuntimeError(said)


PASSED = {"script": Script(answers={"": f"{ANSWER} " * 9})}
BLOCKED = {"script": Script(answers={"": f"{ANSWER} zarzour"})}
FAILED = {"engine": Failing(Script(answers={"": f"{ANSWER} " * 9}))}
UNDECIDED = {"judge": Failing(Script(judge=SCORES))}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("changes", "status"),
    [(PASSED, 200), (BLOCKED, 200), (FAILED, 500), (UNDECIDED, 200)],
    ids=["passed", "blocked", "failed", "undecided"],
)
async def test_what_was_said_is_not_logged(  # noqa: PLR0917  fixtures and parameters
    make_stack: MakeStack,
    logged: Callable[[], str],
    spans: InMemorySpanExporter,
    changes: dict[str, Any],
    status: int,
    stream: bool,
) -> None:
    stack: Stack = make_stack(**changes)
    token = stack.issuer.token()
    headers = {"authorization": f"Bearer {token}"}
    response = await stack.client(None).post(CHAT, json=ask(f"{PROMPT} ?", stream=stream), headers=headers)
    assert response.status_code == (status if not stream else response.status_code)
    log = logged()
    recorded = "".join(span.to_json() for span in spans.get_finished_spans())
    assert recorded
    for secret in (PROMPT, ANSWER, token, token.rpartition(".")[2]):
        assert secret not in log
        assert secret not in recorded
    if status == 500:
        assert "request failed" in log
        assert "error=RuntimeError" in log
        assert "test_logs.py" in log
        assert '"status_code": "ERROR"' in recorded


@pytest.mark.parametrize("body", [{"messages": PROMPT}, {"user": PROMPT * 99}, {PROMPT: 1}, {"n": PROMPT}])
async def test_a_wrong_request_is_not_logged(
    stack: Stack,
    logged: Callable[[], str],
    spans: InMemorySpanExporter,
    body: dict[str, Any],
) -> None:
    assert (await stack.client().post(CHAT, json={**ask(), **body})).status_code == 400
    assert PROMPT not in logged()
    assert all(PROMPT not in span.to_json() for span in spans.get_finished_spans())


def test_a_traceback_shows_no_variables(logged: Callable[[], str]) -> None:
    secret = PROMPT.upper()
    try:
        raise ZeroDivisionError(len(secret))
    except ZeroDivisionError:
        structlog.get_logger("mizan").exception("it failed")
    log = logged()
    assert "test_a_traceback_shows_no_variables" in log
    assert secret not in log


async def test_an_unforeseen_error_goes_no_further_than_its_answer(make_stack: MakeStack) -> None:
    """A server that saw the exception would log its message. The transport of this client would raise it."""
    response = await make_stack(**FAILED).chat()
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
