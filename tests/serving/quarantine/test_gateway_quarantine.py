"""Over HTTP: an agent that violates too often is shut out, on every replica, until a supervisor lifts it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from serving.quarantine.local import SqliteStore
from serving.quarantine.quarantine import Quarantine
from serving.quarantine.records import Quarantined
from serving.quarantine.settings import QuarantineSettings
from serving.quarantine.shared import RedisStore
from serving.quarantine.store import QuarantineStore, QuarantineUnavailable
from serving.simulator import Script
from tests.serving.conftest import MakeStack
from tests.serving.gateways import CHAT, MODEL, SCORES, Stack, ask
from tests.serving.redis_server import RedisServer, patient_client
from tests.serving.test_gateway_disconnect import ENDLESS

ROUTE = "/v1/supervisor/quarantines"
AGENT, OTHER, OPERATOR = "khouribga-agent", "khouribga-assistant", "mizan-operator"


def quarantine(store: QuarantineStore, **settings: Any) -> Quarantine:
    """One that reads its list anew for every request, so that tests need not wait."""
    return Quarantine(store, QuarantineSettings(**{"violations": 2, "refresh_seconds": 1e-6, **settings}))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, a request sees what was recorded before it."""
    monkeypatch.setattr("serving.quarantine.quarantine.CATCHING_UP", 60.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "quarantine.sqlite"


@pytest.fixture
def stack(make_stack: MakeStack, file: Path) -> Stack:
    return make_stack(quarantine=quarantine(SqliteStore(file)))


async def violate(stack: Stack, times: int, application: str = AGENT, **fields: Any) -> list[int]:
    return [
        (await stack.chat("zarzour", application=application, **fields)).status_code for _ in range(times)
    ]


def is_quarantined(response: httpx.Response) -> bool:
    return response.status_code == 403 and response.json()["error"]["code"] == "application_quarantined"


async def lift(stack: Stack, application: str = AGENT, **query: str) -> httpx.Response:
    return await stack.client(OPERATOR).delete(f"{ROUTE}/{application}", params=query)


async def test_one_violation_too_many(stack: Stack) -> None:
    assert await violate(stack, 3) == [200, 200, 200]
    generations = len(stack.engine.generations)
    refused = await stack.chat(application=AGENT)
    assert is_quarantined(refused)
    error = refused.json()["error"]
    assert error["type"] == "permission_error"
    assert "3 violations within 3600 s" in error["message"]
    assert len(stack.engine.generations) == generations
    assert (await stack.chat(application=OTHER)).status_code == 200, "of the same tenant, but another one"


async def test_streams_answers_and_tool_like_texts_count_alike(make_stack: MakeStack, file: Path) -> None:
    stack = make_stack(
        script=Script(answers={"": "mot zarzour mot"}), quarantine=quarantine(SqliteStore(file))
    )
    for stream in (False, True, False):
        assert (await stack.chat(application=AGENT, stream=stream)).status_code == 200
    assert is_quarantined(await stack.chat(application=AGENT))


async def test_one_request_counts_once(stack: Stack) -> None:
    assert await violate(stack, 2, n=4) == [200, 200]
    assert (await stack.chat(application=AGENT)).status_code == 200


@pytest.mark.parametrize(
    ("judge", "fields"),
    [
        (Script(judge=SCORES, judge_fault="low_mass"), {}),
        (Script(judge={"": 0.02}), {}),
    ],
)
async def test_what_does_not_count(
    make_stack: MakeStack, file: Path, judge: Script, fields: dict[str, Any]
) -> None:
    stack = make_stack(judge=judge, quarantine=quarantine(SqliteStore(file), violations=0))
    await violate(stack, 3, **fields)
    assert not is_quarantined(await stack.chat(application=AGENT))


async def test_an_observing_policy_and_moderations_do_not_count(make_stack: MakeStack, file: Path) -> None:
    stack = make_stack(quarantine=quarantine(SqliteStore(file), violations=0))
    await violate(stack, 2, application="safi-assistant")
    assert (await stack.chat(application="safi-assistant")).status_code == 200
    for _ in range(2):
        response = await stack.client(OTHER).post("/v1/moderations", json={"input": "zarzour"})
        assert response.json()["results"][0]["flagged"]


async def test_stages_that_are_not_counted(make_stack: MakeStack, file: Path) -> None:
    stack = make_stack(quarantine=quarantine(SqliteStore(file), violations=0, counted=["answer"]))
    await violate(stack, 3)
    assert (await stack.chat(application=AGENT)).status_code == 200


async def test_no_limit_in_development_by_default(make_stack: MakeStack, file: Path) -> None:
    stack = make_stack(quarantine=quarantine(SqliteStore(file), violations=None))
    await violate(stack, 5)
    assert (await stack.chat(application=AGENT)).status_code == 200


async def test_supervisors_see_and_lift(stack: Stack) -> None:
    await violate(stack, 3)
    assert is_quarantined(await stack.chat(application=AGENT))
    [shown] = (await stack.client(OPERATOR).get(ROUTE)).json()["data"]
    assert (shown["application"], shown["tenant"], shown["violations"]) == (AGENT, "khouribga", 3)
    lifted = await lift(stack, reason="prompt corrected")
    assert lifted.status_code == 200
    assert OPERATOR in lifted.json()["lifted_by"]
    assert lifted.json()["lift_reason"] == "prompt corrected"
    assert (await stack.chat(application=AGENT)).status_code == 200
    assert (await stack.client(OPERATOR).get(ROUTE)).json()["data"] == []
    [kept] = (await stack.client(OPERATOR).get(ROUTE, params={"lifted": "true"})).json()["data"]
    assert kept == lifted.json()
    again = await lift(stack)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_quarantined")


async def test_lifting_starts_the_count_anew(stack: Stack) -> None:
    await violate(stack, 3)
    assert is_quarantined(await stack.chat(application=AGENT)), "which waits for what is being recorded"
    assert (await lift(stack)).status_code == 200
    assert await violate(stack, 2) == [200, 200]
    assert (await stack.chat(application=AGENT)).status_code == 200


@pytest.mark.parametrize("application", [AGENT, OTHER, "safi-assistant", None])
async def test_nobody_else_sees_lifts_or_imposes(stack: Stack, application: str | None) -> None:
    await violate(stack, 3)
    client, status = stack.client(application), 403 if application else 401
    assert (await client.get(ROUTE)).status_code == status
    assert (await client.delete(f"{ROUTE}/{AGENT}")).status_code == status
    body = {"application": OTHER, "reason": "mine"}
    assert (await client.post(ROUTE, json=body)).status_code == status
    assert is_quarantined(await stack.chat(application=AGENT))


async def test_an_operator_without_the_role_does_not(stack: Stack) -> None:
    """The development issuer narrows a token's scopes to what was asked for."""
    state = stack.issuer
    found = state.tenants.current().application(OPERATOR)
    assert found is not None
    narrowed = found[0].model_copy(update={"scopes": frozenset({"admin", "usage"})})
    tenants = state.tenants.current().model_copy(update={"operators": (narrowed,)})
    original, state.tenants._content = state.tenants._content, tenants
    try:
        token = state.token(OPERATOR)
    finally:
        state.tenants._content = original
    client = stack.client(None, authorization=f"Bearer {token}")
    assert (await client.get(ROUTE)).status_code == 403


async def test_by_hand(stack: Stack) -> None:
    client = stack.client(OPERATOR)
    body = {"application": OTHER, "reason": "سلوك غريب"}
    assert (await client.post(ROUTE, json=body)).status_code == 201
    again = await client.post(ROUTE, json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_quarantined")
    refused = await stack.chat(application=OTHER)
    assert is_quarantined(refused)
    assert "سلوك" not in refused.text, "a supervisor's words are for supervisors"
    assert (await stack.client(OTHER).post("/v1/moderations", json={"input": "bonjour"})).status_code == 403
    [shown] = (await client.get(ROUTE)).json()["data"]
    assert (shown["reason"], shown["violations"]) == ("سلوك غريب", 0)
    assert (await lift(stack, OTHER)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"application": OTHER},
        {"application": "", "reason": "x"},
        {"application": 1, "reason": "x"},
        {"application": "x", "reason": "y", "more": 1},
        [],
    ],
)
async def test_bad_bodies(stack: Stack, body: Any) -> None:
    response = await stack.client(OPERATOR).post(ROUTE, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_running_streams_of_the_application_are_cut(
    make_stack: MakeStack, file: Path, serve: Callable[[Stack], str]
) -> None:
    stack = make_stack(
        script=Script(answers={"": ENDLESS}, token_delay=0.01), quarantine=quarantine(SqliteStore(file))
    )
    url = serve(stack)
    headers = {"authorization": f"Bearer {stack.issuer.token(AGENT)}"}
    operator = {"authorization": f"Bearer {stack.issuer.token(OPERATOR)}"}
    lines = []
    async with (
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
        client.stream(
            "POST", url + CHAT, json=ask(stream=True, max_tokens=2000), headers=headers
        ) as response,
    ):
        imposed = False
        async for line in response.aiter_lines():
            lines.append(line)
            if '"content":"mot' in line and not imposed:
                imposed = True
                body = {"application": AGENT, "reason": "enough"}
                assert (await client.post(url + ROUTE, json=body, headers=operator)).status_code == 201
    error = json.loads([line for line in lines if line][-1].removeprefix("data: "))["error"]
    assert error["code"] == "application_quarantined"
    assert "data: [DONE]" not in lines
    assert await stack.settled(20)


async def test_over_a_restart(make_stack: MakeStack, file: Path) -> None:
    first = make_stack(quarantine=quarantine(SqliteStore(file)))
    await violate(first, 3)
    assert is_quarantined(await first.chat(application=AGENT))
    await first.services.entrance.close()
    second = make_stack(quarantine=quarantine(SqliteStore(file)))
    assert is_quarantined(await second.chat(application=AGENT))


@pytest.fixture
async def shared(redis_server: RedisServer) -> AsyncIterator[Callable[[], Quarantine]]:
    made: list[Quarantine] = []

    def make() -> Quarantine:
        connection = patient_client(redis_server.url)
        made.append(quarantine(RedisStore(connection, "gateway-quarantine-test")))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def test_on_every_replica(make_stack: MakeStack, shared: Callable[[], Quarantine]) -> None:
    gateways = [make_stack(quarantine=shared()), make_stack(quarantine=shared())]
    for number in range(3):
        assert await violate(gateways[number % 2], 1) == [200]
    for gateway in gateways:
        assert is_quarantined(await gateway.chat(application=AGENT))
    assert (await lift(gateways[0])).status_code == 200
    for gateway in gateways:
        assert (await gateway.chat(application=AGENT)).status_code == 200


class Broken(SqliteStore):
    """A store that can be switched off."""

    up = True

    async def active(self) -> Sequence[Quarantined]:
        if not self.up:
            raise QuarantineUnavailable("switched off")
        return await super().active()

    async def count(self, application: str, request_id: str, now: float, window: float) -> int:
        if not self.up:
            raise QuarantineUnavailable("switched off")
        return await super().count(application, request_id, now, window)

    async def lift(self, application: str, now: float, by: str, reason: str | None) -> Quarantined | None:
        raise QuarantineUnavailable("switched off")


async def test_a_store_that_goes_away(make_stack: MakeStack, file: Path) -> None:
    """The list stays as it was, and violations are recorded when the store is back."""
    store = Broken(file)
    stack = make_stack(quarantine=quarantine(store))
    await violate(stack, 3, application=OTHER)
    assert is_quarantined(await stack.chat(application=OTHER))
    store.up = False
    assert is_quarantined(await stack.chat(application=OTHER))
    assert await violate(stack, 1) == [200]
    response = await lift(stack, OTHER)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "quarantine_unavailable")
    store.up = True
    await violate(stack, 2)
    async with asyncio.timeout(60):
        while not is_quarantined(await stack.chat(application=AGENT)):  # noqa: ASYNC110  nothing to wait on
            await asyncio.sleep(0.02)


async def test_nobody_gets_through_before_the_list_was_read(make_stack: MakeStack, file: Path) -> None:
    store = Broken(file)
    store.up = False
    stack = make_stack(quarantine=quarantine(store))
    response = await stack.chat()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "quarantine_unavailable")
    with pytest.raises(QuarantineUnavailable):
        await stack.services.entrance.quarantine.ready()
    assert stack.engine.untouched
    store.up = True
    await stack.services.entrance.quarantine.ready()
    assert (await stack.chat()).status_code == 200


async def test_metrics(stack: Stack) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    def all_values() -> tuple[float, ...]:
        return (
            value("mizan_violations_total", tenant="khouribga", stage="prompt"),
            value("mizan_quarantines_total", change="imposed"),
            value("mizan_quarantines_total", change="lifted"),
        )

    before = all_values()
    await violate(stack, 3)
    assert is_quarantined(await stack.chat(application=AGENT))
    assert value("mizan_quarantined_applications") == 1
    await lift(stack)
    assert tuple(after - was for after, was in zip(all_values(), before, strict=True)) == (3, 1, 1)


@pytest.mark.parametrize("path", ["/v1/models", f"/v1/models/{MODEL}", "/v1/judgements/0"])
async def test_no_route_is_open_to_a_quarantined_application(
    make_stack: MakeStack, file: Path, path: str
) -> None:
    stack = make_stack(quarantine=quarantine(SqliteStore(file)))
    client = stack.client(AGENT)
    assert (await client.get(path)).status_code in (200, 404)
    body = {"application": AGENT, "reason": "enough"}
    assert (await stack.client(OPERATOR).post(ROUTE, json=body)).status_code == 201
    refused = await client.get(path)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "application_quarantined"
