"""Arbitrary request bodies: an answer or a 4xx in the OpenAI shape, never a 5xx."""

import asyncio
import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .gateways import CHAT, MODEL, DevelopmentIssuer, Stack, ask, build

FIELDS = (
    "model", "messages", "max_tokens", "max_completion_tokens", "n", "stream", "stream_options",
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed", "logprobs", "user",
    "role", "content", "name", "tool_calls", "type", "text", "function", "arguments", "id", "tool_call_id",
    "refusal", "include_usage", "tools",
)  # fmt: skip

texts = st.one_of(st.text(max_size=20), st.sampled_from(["", "\0", "<|im_end|>", "user", "assistant", MODEL]))
numbers = st.one_of(st.integers(-(2**70), 2**70), st.integers(-2, 5), st.floats(width=32))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(FIELDS), texts), inner, max_size=4),
    ),
    max_leaves=12,
)
plain = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
names = st.sampled_from(["amina", "f_1", "A-b"])
call_ids = st.from_regex(r"[a-zA-Z0-9_.:-]{1,64}", fullmatch=True)
content = st.one_of(
    plain, st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": plain}), min_size=1, max_size=3)
)
calls = st.fixed_dictionaries(
    {
        "id": call_ids,
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": names, "arguments": plain}),
    }
)
said = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user"]), "content": content},
        optional={"name": names},
    ),
    st.fixed_dictionaries({"role": st.just("tool"), "content": content, "tool_call_id": call_ids}),
)
answered = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": content},
    optional={"tool_calls": st.lists(calls, min_size=1, max_size=2), "refusal": plain, "name": names},
)
valid = st.fixed_dictionaries(
    {
        "model": st.just(MODEL),
        "messages": st.tuples(st.lists(st.one_of(said, answered), max_size=3), said).map(
            lambda turns: [*turns[0], turns[1]]
        ),
    },
    optional={
        "max_tokens": st.integers(1, 4096),
        "n": st.integers(1, 4),
        "stream": st.booleans(),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0.01, 1),
        "stop": st.one_of(plain.filter(bool), st.lists(plain.filter(bool), max_size=4), st.none()),
        "seed": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "logprobs": st.booleans(),
        "user": plain,
    },
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid request with one value, at any depth, replaced by any other."""
    body = draw(valid)
    node: Any = body
    while True:
        if isinstance(node, dict):
            key: Any = draw(st.one_of(st.sampled_from([*node, *FIELDS]), texts))
        elif node:
            key = draw(st.integers(0, len(node) - 1))
        else:
            return body
        inner = node[key] if isinstance(node, list) or key in node else None
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            node = inner
            continue
        node[key] = draw(values)
        return body


class Fuzzed:
    """One gateway for all examples of a test."""

    def __init__(self, issuer: DevelopmentIssuer) -> None:
        self.stack: Stack = build(issuer)
        self.client = self.stack.client()

    async def post(self, body: bytes) -> None:
        before = len(self.stack.engine.generations), len(self.stack.judge.questions)
        response = await self.client.post(CHAT, content=body, headers={"content-type": "application/json"})
        if response.status_code == 200:
            self.check_answer(response)
        else:
            assert response.status_code in {400, 404}, response.text
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
            assert before == (len(self.stack.engine.generations), len(self.stack.judge.questions))
        assert self.stack.engine.unfinished() == 0

    def check_answer(self, response: httpx.Response) -> None:
        if response.headers["content-type"].startswith("text/event-stream"):
            *_, last, done = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
            assert done == "[DONE]"
            assert json.loads(last)["judgement"]["outcome"] == "passed"
        else:
            assert response.json()["judgement"]["outcome"] == "passed"


def fuzz(issuer: DevelopmentIssuer, bodies: st.SearchStrategy[bytes], examples: int) -> float:
    """Post the bodies; returns the share of them that was answered."""
    posted = 0
    with asyncio.Runner() as runner:

        async def prepare() -> Fuzzed:
            return Fuzzed(issuer)

        fuzzed = runner.run(prepare())

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(bodies)
        def run(body: bytes) -> None:
            nonlocal posted
            posted += 1
            runner.run(fuzzed.post(body))

        run()
        answered = len(fuzzed.stack.engine.generations)
        runner.run(fuzzed.post(encoded(ask())))
        runner.run(fuzzed.client.aclose())
        assert len(fuzzed.stack.engine.generations) == answered + 1
    return answered / posted


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_any_json(issuer: DevelopmentIssuer) -> None:
    fuzz(issuer, values.map(encoded), 150)


def test_every_valid_request_is_answered(issuer: DevelopmentIssuer) -> None:
    assert fuzz(issuer, valid.map(encoded), 150) == 1


def test_valid_requests_with_one_change(issuer: DevelopmentIssuer) -> None:
    fuzz(issuer, mutated().map(encoded), 250)


def test_any_bytes(issuer: DevelopmentIssuer) -> None:
    whole = encoded(ask())
    cut = st.tuples(st.integers(0, len(whole)), st.binary(max_size=8)).map(
        lambda given: whole[: given[0]] + given[1] + whole[given[0] :]
    )
    fuzz(issuer, st.one_of(st.binary(max_size=64), cut), 150)
