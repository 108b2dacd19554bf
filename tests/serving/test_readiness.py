"""Readiness: both models answer, and many probes cost one question."""

import asyncio
import pickle
from typing import Any

import pytest
from structlog.testing import capture_logs

import serving.readiness
from serving.judging.protocols import EngineError
from serving.readiness import NotReadyError, Readiness, reason_of
from serving.settings import Settings


class Model:
    def __init__(self, error: Exception | None = None, seconds: float = 0) -> None:
        self.error = error
        self.seconds = seconds
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error


async def test_many_probes_ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.readiness, "FRESH", 600)
    native, judge = Model(seconds=0.01), Model()
    ready = Readiness({"native": native, "judge": judge})
    await asyncio.gather(*(ready() for _ in range(50)))
    assert (native.asked, judge.asked) == (1, 1)


async def test_an_answer_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.readiness, "FRESH", -1)
    judge = Model(EngineError(503, "restarting"))
    ready = Readiness({"native": Model(), "judge": judge})
    with pytest.raises(EngineError, match="the judge does not answer: restarting") as refused:
        await ready()
    assert (refused.value.status, refused.value.code) == (503, "not_ready")
    judge.error = None
    await ready()
    assert judge.asked == 2


async def test_every_problem_is_named() -> None:
    ready = Readiness({"native": Model(RuntimeError("a")), "judge": Model(RuntimeError("b"))})
    for _ in range(2):  # the second time from memory
        with pytest.raises(EngineError, match="the native does not answer: a; the judge does not answer: b"):
            await ready()


async def test_a_model_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.readiness, "PATIENCE", 0.05)
    with pytest.raises(EngineError, match=r"^the judge does not answer$"):
        await Readiness({"judge": Model(seconds=60)})()


async def test_a_probe_that_gives_up_does_not_spoil_the_next() -> None:
    native = Model(seconds=0.05)
    ready = Readiness({"native": native})
    probe = asyncio.create_task(ready())
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    await ready()


async def refusal(ready: Readiness) -> NotReadyError:
    with pytest.raises(NotReadyError) as refused:
        await ready()
    return refused.value


async def test_strangers_read_the_names_only() -> None:
    broken = Model(RuntimeError("http://keycloak.internal:8080: connection refused"))
    error = await refusal(Readiness({"identity provider": broken, "native model": Model(), "judge": broken}))
    assert (
        reason_of(error, details=False) == "the identity provider does not answer; the judge does not answer"
    )
    assert reason_of(error, details=True).count("keycloak.internal") == 2
    assert reason_of(RuntimeError("a secret"), details=False) == "unknown"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  just pickled here
    assert (str(again), again.problems) == (str(error), error.problems)


async def test_each_change_is_logged_once_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.readiness, "FRESH", -1)
    judge = Model()
    ready = Readiness({"judge": judge})
    with capture_logs() as logs:
        await ready()
        for problem in ("the role view-organizations is missing", "restarting"):
            judge.error = RuntimeError(problem)
            for _ in range(3):
                await refusal(ready)
        judge.error = None
        await ready()
        await ready()
    assert [(line["event"], line.get("reason")) for line in logs] == [
        ("not_ready", "the judge does not answer: the role view-organizations is missing"),
        ("not_ready", "the judge does not answer: restarting"),
        ("ready_again", None),
    ]


@pytest.mark.parametrize(
    ("gateway", "details"), [({}, False), ({"health_details": True}, True), ({"metrics_open": True}, False)]
)
def test_details_are_off_in_production(gateway: dict[str, Any], details: bool) -> None:
    identity = {"issuer": "https://keycloak.example/realms/m", "tenants_file": "tenants.yaml"}
    settings = Settings.model_validate({"mode": "production", "identity": identity, "gateway": gateway})
    assert settings.gateway.health_details is details
    assert Settings().gateway.health_details
