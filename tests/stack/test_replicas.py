"""Two gateway replicas that share a real Redis; simulated engines, since what replicas agree on is tested."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from auth.embedded import embedded_token
from cluster.main import app
from tests.serving import redis_server
from tests.stack.conftest import run_stack
from tests.stack.running import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

TENANTS = {
    "tenants": [
        {
            "id": "khouribga",
            "name": "Khouribga",
            "limits": {"requests_per_minute": 12},
            "applications": [{"id": "khouribga-assistant", "scopes": ["chat"]}],
        },
        {
            "id": "safi",
            "name": "آسفي",
            "applications": [{"id": "safi-agent", "scopes": ["chat"]}],
        },
    ],
    "operators": [{"id": "mizan-operator", "scopes": ["supervisor"]}],
}


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("replicas")
    (folder / "tenants.yaml").write_text(yaml.safe_dump(TENANTS), encoding="utf-8")
    script = folder / "script.yaml"
    script.write_text(yaml.safe_dump({"judge": {"": 0.02, "zarzour": 0.98}}), encoding="utf-8")
    try:
        with redis_server.running(folder) as redis:
            values: dict[str, object] = {
                "gateway": {"replicas": 2},
                "identity": {"tenants_file": str(folder / "tenants.yaml")},
                "redis": {"url": redis.url, "timeout": 20},
                "quarantine": {"violations": 3},
                "native": {"simulate": str(script), "cpus": 0.5},
                "judge": {"simulate": str(script), "cpus": 0.5},
            }
            yield from run_stack(folder, values)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def asked(stack: Stack, application: str, text: str, times: int) -> list[httpx.Response]:
    """As many requests at once."""
    headers = {"Authorization": f"Bearer {embedded_token(stack.context.identity, application).value}"}
    body = stack.body(text)
    with ThreadPoolExecutor(8) as pool:
        posts = [
            pool.submit(stack.client.post, "/v1/chat/completions", json=body, headers=headers)
            for _ in range(times)
        ]
        return [post.result() for post in posts]


def test_a_limit_is_over_both(replicas: Stack) -> None:
    started = time.monotonic()
    responses = asked(replicas, "khouribga-assistant", "bonjour", 40)
    assert time.monotonic() - started < 60, "longer than the window: nothing can be said of the limit"
    statuses = [response.status_code for response in responses]
    assert sorted(statuses) == [200] * 12 + [429] * 28
    assert replicas.metric('mizan_limit_refusals_total{limit="requests_per_minute"') == 28


def test_a_quarantine_is_on_both_until_a_supervisor_lifts_it(replicas: Stack) -> None:
    for response in asked(replicas, "safi-agent", "zarzour", 4):
        assert response.json()["judgement"]["outcome"] == "flagged"
    command = ["--config", str(replicas.context.config), "quarantine"]
    deadline = time.monotonic() + 60
    while '"safi-agent"' not in CliRunner().invoke(app, [*command, "list", "--json"]).stdout:
        assert time.monotonic() < deadline, "nobody was quarantined"
        time.sleep(0.2)
    time.sleep(3)  # each replica reads the list again every second
    refused = asked(replicas, "safi-agent", "bonjour", 16)
    assert {response.json()["error"]["code"] for response in refused} == {"application_quarantined"}
    lifted = CliRunner().invoke(app, [*command, "lift", "safi-agent"], catch_exceptions=False)
    assert lifted.exit_code == 0, lifted.stderr
    time.sleep(3)
    assert {response.status_code for response in asked(replicas, "safi-agent", "bonjour", 16)} == {200}
