"""Verdicts are there for their owner after the answer, and for nobody else."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from serving.judgements.local import SqliteJudgements
from serving.judgements.settings import JudgementsSettings
from serving.judgements.store import JudgementsUnavailable, Kept
from serving.simulator import Script
from tests.serving.conftest import MakeStack
from tests.serving.gateways import MODEL, Stack

POISONED = "one two three four five six seven eight nine ten zarzour eleven"


async def read(stack: Stack, request_id: str, application: str = "khouribga-assistant") -> Any:
    return await stack.client(application).get(f"/v1/judgements/{request_id}")


def last_chunk(text: str) -> dict[str, Any]:
    *_, last, _done = [line for line in text.split("\n\n") if line]
    found: dict[str, Any] = json.loads(last.removeprefix("data: "))
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/completions"])
async def test_a_judgement_can_be_read_again(make_stack: MakeStack, route: str, stream: bool) -> None:
    stack = make_stack(script=Script(answers={"": POISONED}))
    asked = {"messages": [{"role": "user", "content": "Bonjour"}]} if "chat" in route else {"prompt": "a"}
    body = {"model": MODEL, "n": 2, "stream": stream, **asked}
    response = await stack.client().post(route, json=body)
    answer = last_chunk(response.text) if stream else response.json()
    request_id = response.headers["x-mizan-request-id"]
    assert answer["id"].endswith(f"-{request_id}")
    found = await read(stack, request_id)
    assert found.status_code == 200
    kept = found.json()
    assert kept["judgement"] == answer["judgement"]
    assert (kept["id"], kept["object"], kept["route"]) == (request_id, "judgement", route)
    assert (kept["model"], kept["application"]) == (MODEL, "khouribga-assistant")
    assert [(one["index"], one["blocked"]) for one in kept["choices"]] == [(0, True), (1, True)]
    assert {one["judgement"]["outcome"] for one in kept["choices"]} == {"flagged"}
    assert not {"zarzour", "Bonjour", "seven"} & set(found.text.split('"'))
    assert (await read(stack, answer["id"])).json() == kept


@pytest.mark.parametrize("application", ["jorf-assistant", "safi-assistant"])
async def test_another_tenants_judgement_looks_like_none(stack: Stack, application: str) -> None:
    request_id = (await stack.chat()).headers["x-mizan-request-id"]
    theirs = await read(stack, request_id, application)
    nobodys = await read(stack, "0" * 32, application)
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json() == nobodys.json()


@pytest.mark.parametrize("request_id", ["x", "0" * 31, "chatcmpl-", "%00", "a' OR '1'='1", "é" * 32])
async def test_ids_that_are_none(stack: Stack, request_id: str) -> None:
    response = await read(stack, request_id)
    assert response.status_code == 404
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_token_is_needed(stack: Stack) -> None:
    assert (await stack.client(None).get(f"/v1/judgements/{'0' * 32}")).status_code == 401


async def test_what_failed_has_no_judgement(make_stack: MakeStack) -> None:
    stack = make_stack(script=Script(fail_after=0))
    assert (await stack.chat()).status_code == 502
    [generation] = stack.engine.generations
    assert (await read(stack, generation.request_id)).status_code == 404


async def test_a_store_that_fails_costs_no_answer(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = make_stack()

    async def fail(*_: Any) -> None:
        raise JudgementsUnavailable("the disk is full")

    monkeypatch.setattr(stack.services.judgements, "keep", fail)
    monkeypatch.setattr(stack.services.judgements, "find", fail)
    response = await stack.chat()
    assert response.status_code == 200
    found = await read(stack, response.headers["x-mizan-request-id"])
    assert found.status_code == 503
    assert "disk" not in found.text


def entry(number: int, created: float = 0, tenant: str = "t") -> Kept:
    return Kept(f"{number:032x}", tenant, created, {"number": number})


async def test_the_file_is_bounded_in_age_and_number(tmp_path: Path) -> None:
    store = SqliteJudgements(tmp_path / "j.sqlite", JudgementsSettings(keep_hours=1, most=3))
    for number in range(5):
        await store.keep(entry(number, created=number))
    found = [await store.find("t", f"{number:032x}", now=4) for number in range(5)]
    assert found == [None, None, {"number": 2}, {"number": 3}, {"number": 4}]
    assert await store.find("t", f"{4:032x}", now=3700) is None
    await store.keep(entry(9, created=4000))
    await store.close()
    with sqlite3.connect(tmp_path / "j.sqlite") as database:
        assert database.execute("SELECT count(*) FROM judgements").fetchone() == (1,)
    database.close()


async def test_one_tenant_pushes_nobody_else_s_out(tmp_path: Path) -> None:
    store = SqliteJudgements(tmp_path / "j.sqlite", JudgementsSettings(most=2))
    await store.keep(entry(0, tenant="quiet"))
    for number in range(1, 9):
        await store.keep(entry(number, tenant="busy"))
    assert await store.find("quiet", f"{0:032x}", 0) == {"number": 0}
    kept = [await store.find("busy", f"{number:032x}", 0) for number in range(1, 9)]
    assert kept == [None] * 6 + [{"number": 7}, {"number": 8}]
    await store.close()


async def test_replicas_share_the_file_and_a_restart_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "j.sqlite"
    one, other = (SqliteJudgements(path, JudgementsSettings()) for _ in range(2))
    await one.keep(entry(1))
    await other.keep(entry(2))
    await other.keep(Kept(f"{1:032x}", "thief", 0, {"number": "forged"}))
    assert await one.find("t", f"{2:032x}", 0) == {"number": 2}
    assert await other.find("t", f"{1:032x}", 0) == {"number": 1}
    assert await other.find("thief", f"{1:032x}", 0) is None
    await one.close()
    await other.close()
    assert path.stat().st_mode & 0o077 == 0
    again = SqliteJudgements(path, JudgementsSettings())
    assert await again.find("t", f"{1:032x}", 0) == {"number": 1}
    await again.close()


async def test_a_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    path.write_bytes(b"no database" * 100)
    store = SqliteJudgements(path, JudgementsSettings())
    with pytest.raises(JudgementsUnavailable):
        await store.keep(entry(1))
    path.unlink()
    await store.keep(entry(1))
    assert await store.find("t", f"{1:032x}", 0) == {"number": 1}
    await store.close()
    await store.close()
    with pytest.raises(JudgementsUnavailable):
        await store.keep(entry(2))
