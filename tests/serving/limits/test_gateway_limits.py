"""Limits over HTTP: what a client sees, and what a tenant that tries to get around them gets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
from prometheus_client import REGISTRY

from auth.limits import TenantLimits
from auth.tenants import Tenant, TenantDirectory
from serving import telemetry
from serving.gateway import create_gateway
from serving.judging.policy import Repair
from serving.judging.protocols import Delta, EngineError, Generation, Usage
from serving.limits.demand import NOTE_TOKENS, demand_of
from serving.limits.limiter import TenantLimiter
from serving.limits.memory import MemoryStore
from serving.limits.metering import Meter
from serving.limits.shared import RedisStore
from serving.limits.store import Claim, Decision, LimitStore, StoreUnavailable
from serving.services import Services
from serving.simulator import Script
from tests.serving.conftest import MakeStack
from tests.serving.gateways import CHAT, MODEL, Stack, ask
from tests.serving.redis_server import RedisServer, patient_client
from tests.serving.test_gateway_disconnect import ENDLESS, started

from .conftest import fresh_prefix


class Edited:
    """A tenant directory whose limits an administrator edits."""

    def __init__(self, tenants: TenantDirectory) -> None:
        self._tenants = tenants
        self.limits = TenantLimits()

    def get(self, tenant_id: str) -> Tenant:
        return self._tenants.get(tenant_id).model_copy(update={"limits": self.limits})

    def edit(self, **limits: int) -> None:
        self.limits = TenantLimits.model_validate(limits)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tenants, name)


def limited(
    stack: Stack, store: LimitStore | None = None, **limits: int
) -> tuple[Stack, Edited, TenantLimiter]:
    """The same gateway with limits for every tenant; its directory and its limiter."""
    directory = Edited(stack.services.tenants)
    directory.edit(**limits)
    limiter = TenantLimiter(store or MemoryStore(30), 30, 600)
    entrance = replace(stack.services.entrance, tenants=directory, limiter=limiter)
    stack.services = Services(**{**vars(stack.services), "tenants": directory, "entrance": entrance})
    stack.app = create_gateway(stack.services)
    return stack, directory, limiter


async def test_what_a_client_sees(stack: Stack) -> None:
    stack, _, limiter = limited(stack, requests_per_minute=2, tokens_per_minute=100_000)
    first = await stack.chat()
    assert first.status_code == 200
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-reset-requests"].startswith(("1m0", "1m1s", "59", "60"))
    assert first.headers["x-ratelimit-limit-tokens"] == "100000"
    assert int(first.headers["x-ratelimit-remaining-tokens"]) < 100_000 - 512
    await limiter.drained()
    assert (await stack.chat(stream=True)).headers["x-ratelimit-remaining-requests"] == "0"
    generations = len(stack.engine.generations)
    refused = await stack.chat()
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert refused.headers["x-mizan-limit"] == "requests_per_minute"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    error = refused.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    assert "requests per minute" in error["message"]
    assert len(stack.engine.generations) == generations, "refused before the native model spent a token"


async def test_the_openai_sdk_understands(stack: Stack, serve: Callable[[Stack], str]) -> None:
    stack, _, _ = limited(stack, requests_per_minute=0)
    client = openai.AsyncOpenAI(
        base_url=f"{serve(stack)}/v1",
        api_key=stack.issuer.token(),
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    )
    async with client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Bonjour"}]
            )
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.type == "requests"


async def test_tokens_are_reserved_then_settled(stack: Stack) -> None:
    """Bonjour and its nine words cost 10 tokens; 100 are reserved for the answer and given back."""
    stack, _, limiter = limited(stack, tokens_per_minute=400)
    for number in range(1, 5):
        response = await stack.chat(max_tokens=100)
        assert response.status_code == 200
        await limiter.drained()
        assert int(response.headers["x-ratelimit-remaining-tokens"]) <= 300 - (number - 1) * 10
    refused = await stack.chat(max_tokens=350)
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "tokens"


async def test_edits_take_effect_at_once(stack: Stack) -> None:
    stack, directory, _ = limited(stack)
    first = await stack.chat()
    assert "x-ratelimit-limit-requests" not in first.headers
    directory.edit(requests_per_minute=1)
    assert (await stack.chat()).status_code == 429
    directory.edit(requests_per_minute=2)
    assert (await stack.chat()).status_code == 200


async def test_many_applications_of_one_tenant_share_its_limits(stack: Stack) -> None:
    stack, _, _ = limited(stack, requests_per_minute=3)
    applications = ["khouribga-assistant", "khouribga-agent"] * 3
    statuses = [(await stack.chat(application=application)).status_code for application in applications]
    assert statuses == [200] * 3 + [429] * 3
    assert (await stack.chat(application="jorf-assistant")).status_code == 200, "another tenant's are its own"


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"x-tenant": "jorf"}, {}),
        ({"openai-organization": "jorf", "openai-project": "jorf"}, {}),
        ({"x-forwarded-for": "10.9.8.7", "forwarded": "for=10.9.8.7"}, {}),
        ({"x-ratelimit-limit-requests": "1000"}, {}),
        ({"cookie": "tenant=jorf"}, {"user": "somebody-else"}),
    ],
)
async def test_nothing_but_the_token_says_who_asks(
    stack: Stack, headers: dict[str, str], fields: dict[str, str]
) -> None:
    stack, _, _ = limited(stack, requests_per_minute=1)
    assert (await stack.chat()).status_code == 200
    response = await stack.client(**headers).post(CHAT, json=ask(**fields), params={"tenant": "jorf"})
    assert response.status_code == 429


async def test_a_huge_demand_takes_nothing_from_the_others(stack: Stack) -> None:
    stack, _, _ = limited(stack, tokens_per_minute=5000)
    for _ in range(3):
        greedy = await stack.chat(max_tokens=4096, n=4)
        assert greedy.status_code == 429
        assert greedy.headers["x-should-retry"] == "false"
        assert "retry-after" not in greedy.headers
    assert (await stack.chat(max_tokens=4096)).status_code == 200


@pytest.mark.parametrize(
    "fields", [{"max_tokens": -1}, {"max_tokens": 0}, {"n": -1}, {"max_tokens": 1e9}, {"n": True}]
)
async def test_numbers_that_make_no_sense_are_refused_and_not_counted(
    stack: Stack, fields: dict[str, Any]
) -> None:
    stack, _, _ = limited(stack, requests_per_minute=1, tokens_per_minute=5000)
    assert (await stack.chat(body=fields)).status_code == 400
    assert (await stack.chat()).status_code == 200


async def test_a_long_prompt_counts_before_it_is_read(stack: Stack) -> None:
    stack, _, _ = limited(stack, tokens_per_minute=3000)
    refused = await stack.chat("ا" * 2000, max_tokens=1)
    assert refused.status_code == 429
    assert stack.engine.untouched
    assert (await stack.chat("a" * 2000, max_tokens=1)).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_holds_nothing(
    make_stack: MakeStack, serve: Callable[[Stack], str], stream: bool
) -> None:
    """It pays for what the model did, and its stream and the rest of its reservation are free at once."""
    store = MemoryStore(30)
    stack = make_stack(script=Script(answers={"": ENDLESS}, token_delay=0.01), judge=Script(judge_delay=30))
    stack, _, _ = limited(stack, store, concurrent_streams=1, tokens_per_minute=4000)
    headers = {"authorization": f"Bearer {stack.issuer.token()}"}
    url = serve(stack) + CHAT
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for _ in range(4):
            body = ask(stream=stream, max_tokens=2000)
            call = asyncio.create_task(client.post(url, json=body, headers=headers))
            await started(stack)
            refused = await client.post(url, json=ask(), headers=headers)
            assert refused.json()["error"]["code"] == "rate_limit_exceeded"
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert await stack.settled(20)
            await ended(store)
    claimed = await store.reserve(Claim("khouribga", "last", 1, TenantLimits(tokens_per_minute=4000)))
    assert claimed.granted
    assert 0 < claimed.standings[0].used < 4000, "four reservations of 2000 were given back"


async def ended(store: MemoryStore) -> None:
    async with asyncio.timeout(30):
        while store._tenants["khouribga"].leases:  # noqa: ASYNC110  nothing to wait on
            await asyncio.sleep(0.01)


async def test_failures_give_back(make_stack: MakeStack) -> None:
    stack, _, limiter = limited(
        make_stack(script=Script(fail_after=0)), concurrent_streams=1, tokens_per_minute=1500
    )
    for stream in (False, True, False, True):
        assert (await stack.chat(stream=stream, max_tokens=1000)).status_code == 502
        await limiter.drained()


async def test_a_body_that_is_refused_later_gives_back(stack: Stack) -> None:
    """Answers that nobody begins to read: the visit ends all the same."""
    stack, _, limiter = limited(stack, concurrent_streams=1)
    principal = await stack.services.verifier.verify([f"Bearer {stack.issuer.token()}"])
    tenant = stack.services.tenants.get("khouribga")
    visit = await stack.services.entrance.enter(principal, tenant, Generation("id", {"max_tokens": 5}))
    visit.leave()
    visit.leave()
    await limiter.drained()
    assert (await stack.chat()).status_code == 200


async def test_moderations_count_too(stack: Stack) -> None:
    stack, _, limiter = limited(stack, requests_per_minute=2, tokens_per_minute=100)
    client = stack.client()
    first = await client.post("/v1/moderations", json={"input": "bonjour"})
    assert first.status_code == 200
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert (await client.post("/v1/moderations", json={"input": "x" * 200})).json()["error"][
        "type"
    ] == "tokens"
    await limiter.drained()
    assert (await client.post("/v1/moderations", json={"input": "bonjour"})).status_code == 200
    assert (await client.post("/v1/moderations", json={"input": "bonjour"})).status_code == 429


async def test_a_text_that_cannot_be_decided_on_is_not_free(make_stack: MakeStack) -> None:
    stack, _, limiter = limited(make_stack(judge=Script(judge_fault="low_mass")), tokens_per_minute=100)
    client = stack.client()
    assert (await client.post("/v1/moderations", json={"input": "x" * 60})).status_code == 503
    await limiter.drained()
    assert (await client.post("/v1/moderations", json={"input": "x" * 60})).status_code == 429


async def test_another_judge_is_refused_before_anything_is_reserved(stack: Stack) -> None:
    stack, _, _ = limited(stack, requests_per_minute=1)
    client = stack.client()
    assert (await client.post("/v1/moderations", json={"input": "x", "model": "no"})).status_code == 404
    assert (await client.post("/v1/moderations", json={"input": "x"})).status_code == 200


async def test_metrics(stack: Stack) -> None:
    stack, _, limiter = limited(stack, requests_per_minute=1)

    def refused() -> float:
        labels = {"tenant": "khouribga", "limit": "requests_per_minute"}
        return REGISTRY.get_sample_value("mizan_limit_refusals_total", labels) or 0.0

    def charged() -> float:
        return REGISTRY.get_sample_value("mizan_limit_tokens_total", {"tenant": "khouribga"}) or 0.0

    before = refused(), charged()
    await stack.chat()
    await stack.chat()
    await limiter.drained()
    assert (refused() - before[0], charged() - before[1]) == (1, 10)


def test_tenants_are_labels_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_tenants", set())
    monkeypatch.setattr(telemetry, "MOST_TENANTS", 2)
    labels = [telemetry.tenant_label(tenant) for tenant in ("a", "b", "c", "a", "d")]
    assert labels == ["a", "b", "other", "a", "other"]


class Unreachable(MemoryStore):
    async def reserve(self, claim: Claim) -> Decision:
        raise StoreUnavailable("nothing there")


async def test_a_store_that_cannot_count(stack: Stack) -> None:
    stack, _, _ = limited(stack, Unreachable(30), requests_per_minute=1)
    response = await stack.chat()
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "limits_unavailable"
    assert response.headers["retry-after"] == "5"
    assert stack.engine.untouched


async def test_two_gateways_share_one_redis(make_stack: MakeStack, redis_server: RedisServer) -> None:
    prefix = fresh_prefix()
    gateways = []
    for _ in range(2):
        connection = patient_client(redis_server.url)
        gateways.append(limited(make_stack(), RedisStore(connection, prefix, 30), requests_per_minute=10))
    responses = await asyncio.gather(*(gateways[number % 2][0].chat() for number in range(24)))
    statuses: Sequence[int] = [response.status_code for response in responses]
    assert sorted(statuses) == [200] * 10 + [429] * 14
    for _, _, limiter in gateways:
        await limiter.drained()
        await limiter.close()


class Scripted:
    """An engine that yields given deltas, then raises."""

    def __init__(self, deltas: Sequence[Delta], error: Exception | None = None) -> None:
        self._deltas = deltas
        self._error = error

    async def generate(self, generation: Generation) -> AsyncIterator[Delta]:
        for delta in self._deltas:
            yield delta
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize(
    ("deltas", "error", "tokens"),
    [
        ([Delta(usage=Usage(7, 1)), Delta(usage=Usage(7, 5))], None, 12),
        ([], EngineError(503, "busy"), 0),
        ([Delta(usage=Usage(7, 3))], EngineError(502, "broken"), 10),
        ([], None, 40),
        ([Delta(usage=Usage(0, 3))], None, 43),
    ],
)
async def test_the_meter(deltas: list[Delta], error: Exception | None, tokens: int) -> None:
    meter = Meter(Scripted(deltas, error), 40)  # type: ignore[arg-type]  # as much of an engine as is needed
    for attempt in (1, 2):
        try:
            async with aclosing(meter.generate(Generation("id", {}))) as seen:
                async for _ in seen:
                    pass
        except EngineError:
            assert error is not None
        assert meter.tokens == tokens * attempt


async def test_what_repairs_can_take_is_reserved(make_stack: MakeStack) -> None:
    """Two further attempts read the prompt again and answer in at most as many tokens each."""
    script = Script(answers={"": "a zarzour at once, and more of it"})
    repair = {"attempts": 2, "seconds": 30, "tokens": 1024}
    stack = make_stack(script=script, policy={"action": "repair", "repair": Repair(**repair)})
    least = demand_of(Generation("id", ask(max_completion_tokens=20)), 4096, 1, Repair(**repair)).total
    stack, directory, limiter = limited(stack, tokens_per_minute=least // 2)
    assert (await stack.chat(max_tokens=20)).status_code == 429
    assert not stack.engine.generations
    directory.edit(tokens_per_minute=least + 200)
    response = await stack.chat(max_tokens=20)
    assert response.status_code == 200
    assert len(stack.engine.generations) == 3
    await limiter.drained()
    usage = response.json()["usage"]
    assert 0 < usage["total_tokens"] <= least


@pytest.mark.parametrize("n", [1, 3])
def test_the_demand_of_repairs(n: int) -> None:
    generation = Generation("id", {"messages": [], "max_completion_tokens": 100}, n=n)
    plain = demand_of(generation, 8192, 1)
    with_repair = demand_of(generation, 8192, 1, Repair(attempts=2, tokens=150))
    assert with_repair.prompt == plain.prompt
    assert with_repair.total == plain.total + 2 * n * (plain.prompt + NOTE_TOKENS) + min(150, 200 * n)
