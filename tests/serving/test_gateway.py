"""Answers over HTTP: whole and streamed, passed and blocked, in every mode."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx
import pytest

from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Delta, EngineError, Generation, JudgeError
from serving.simulator import Script

from .conftest import MakeStack
from .gateways import CHAT, MODEL, SCORES, Model, Refusing, Stack, ask, too_long

WORDS = "Le phosphate nourrit les plantes et la terre depuis toujours ."
LONG = " ".join(f"mot{number}" for number in range(40))
POISONED = f"{LONG} zarzour {LONG}"

JUDGEMENT_FIELDS = {
    "outcome", "flagged", "stage", "score", "label_mass", "categories", "noted", "reason", "judge", "policy",
    "calls", "held", "latency_ms", "judge_tokens", "tokens", "context_shortened",
    "earlier_turns",
}  # fmt: skip


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The chunks of a stream, which must have ended as OpenAI's do."""
    *lines, done = [line for line in response.text.split("\n\n") if line]
    assert done == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def said(chunks: list[dict[str, Any]], choice: int = 0) -> str:
    """The content that a choice's chunks carry."""
    parts = [c["delta"].get("content") or "" for m in chunks for c in m["choices"] if c["index"] == choice]
    return "".join(parts)


async def test_a_whole_answer(make_stack: MakeStack) -> None:
    stack = make_stack(script=Script(answers={"": WORDS}))
    response = await stack.chat("Que fait le phosphate ?")
    assert response.status_code == 200
    answer = response.json()
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    assert answer["model"] == MODEL
    [choice] = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": WORDS, "refusal": None}
    assert choice["finish_reason"] == "stop"
    assert choice["index"] == 0
    assert answer["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 11,
        "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    assert await stack.settled()


async def test_a_verdict_on_a_passing_answer(stack: Stack) -> None:
    response = await stack.chat()
    assert response.headers["x-mizan-outcome"] == "passed"
    assert response.headers["x-mizan-policy"] == "default@1"
    assert response.headers["x-mizan-mode"] == "window"
    assert response.headers["x-mizan-judge"] == "simulated-judge"
    judgement = response.json()["judgement"]
    assert set(judgement) == JUDGEMENT_FIELDS
    assert judgement["outcome"] == "passed"
    assert judgement["flagged"] is False
    assert judgement["score"] == pytest.approx(0.02)
    assert judgement["label_mass"] == pytest.approx(0.999)
    assert judgement["judge"] == {"id": "simulated-judge", "digest": "0" * 64}
    assert judgement["policy"]["id"] == "default"
    assert judgement["calls"] >= 2
    tokens = judgement["tokens"]
    assert tokens["generated"] == tokens["judged"] == tokens["released"] == 9
    assert tokens["wasted"] == tokens["exposed"] == 0


async def test_a_stream(make_stack: MakeStack) -> None:
    stack = make_stack(script=Script(answers={"": WORDS}))
    response = await stack.chat(stream=True)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-mizan-judge"] == "simulated-judge"
    chunks = events(response)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert said(chunks) == WORDS
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all("judgement" not in chunk for chunk in chunks[:-1])
    assert chunks[-1]["judgement"]["outcome"] == "passed"
    assert chunks[-1]["choices"][0]["judgement"]["outcome"] == "passed"
    assert all("usage" not in chunk for chunk in chunks)


async def test_usage_comes_last_where_it_is_asked_for(stack: Stack) -> None:
    response = await stack.chat(stream=True, stream_options={"include_usage": True})
    *before, last = events(response)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 9
    assert last["judgement"]["outcome"] == "passed"
    assert before[-1]["choices"][0]["finish_reason"] == "stop"
    assert all("usage" not in chunk for chunk in before)


@pytest.mark.parametrize("stream", [False, True])
async def test_several_choices(stack: Stack, stream: bool) -> None:
    response = await stack.chat(n=3, stream=stream)
    if stream:
        chunks = events(response)
        assert [said(chunks, index) for index in range(3)] == [
            "The quick brown fox jumps over the lazy dog."
        ] * 3
        ends = [c for m in chunks for c in m["choices"] if c["finish_reason"]]
        assert sorted(end["index"] for end in ends) == [0, 1, 2]
        assert all(end["judgement"]["outcome"] == "passed" for end in ends)
        assert ["judgement" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        judgement = chunks[-1]["judgement"]
    else:
        answer = response.json()
        assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
        assert all(choice["judgement"]["outcome"] == "passed" for choice in answer["choices"])
        judgement = answer["judgement"]
    assert judgement["tokens"]["generated"] == judgement["tokens"]["released"] == 27


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_the_answer_is_as_long_as_was_asked(make_stack: MakeStack, field: str) -> None:
    stack = make_stack(script=Script(answers={"": LONG}))
    answer = (await stack.chat(body={field: 3})).json()
    assert answer["choices"][0]["message"]["content"].split() == ["mot0", "mot1", "mot2"]
    assert answer["choices"][0]["finish_reason"] == "length"
    assert stack.engine.generations[0].body["max_completion_tokens"] == 3


async def test_what_the_engine_receives(stack: Stack) -> None:
    given = {
        "temperature": 0.5, "top_p": 1, "presence_penalty": -2, "frequency_penalty": 2,
        "stop": ["\n", "###"], "seed": 7, "logprobs": True,
    }  # fmt: skip
    response = await stack.chat("Salut", user="someone", body=given)
    assert response.status_code == 200
    [generation] = stack.engine.generations
    assert generation.cache_salt == "khouribga"
    assert generation.n == 1
    message = {"role": "user", "content": "Salut"}
    assert generation.body == {"messages": [message], "max_completion_tokens": 512, **given}
    assert {question.cache_salt for question in stack.judge.questions} == {"khouribga"}


async def test_a_whole_conversation_is_judged(stack: Stack) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Safi"}'}}
    messages = [
        {"role": "system", "content": "Tu es prudent."},
        {
            "role": "developer",
            "content": [{"type": "text", "text": "Réponds"}, {"type": "text", "text": "court"}],
        },
        {"role": "user", "content": "Météo ?", "name": "amina"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "22 °C", "tool_call_id": "c1"},
    ]
    response = await stack.client().post(CHAT, json={"model": MODEL, "messages": messages})
    assert response.status_code == 200
    read = "".join(segment.text for segment in stack.judge.questions[0].segments)
    for text in ("Tu es prudent.", "Réponds\ncourt", "Météo ?", '\nweather {"city": "Safi"}', "22 °C"):
        assert text in read


@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_violates(make_stack: MakeStack, application: str, stream: bool) -> None:
    stack = make_stack(script=Script(answers={"": LONG}, token_delay=0.05))
    response = await stack.chat("zarzour ?", application, stream=stream)
    assert response.status_code == 200
    if stream:
        chunks = events(response)
        assert len(chunks) == 1
        [choice] = chunks[0]["choices"]
        content, judgement = choice["delta"]["content"], chunks[0]["judgement"]
    else:
        [choice] = response.json()["choices"]
        content, judgement = choice["message"]["content"], response.json()["judgement"]
        assert choice["message"]["refusal"] == content
        assert response.headers["x-mizan-outcome"] == "flagged"
    assert content == "This answer was withheld because it goes against the usage policy."
    assert choice["finish_reason"] == "content_filter"
    assert judgement["outcome"] == "flagged"
    assert judgement["stage"] == "prompt"
    assert judgement["categories"] == ["harm"]
    assert judgement["tokens"]["released"] == 0
    assert await stack.settled()


async def test_an_answer_blocked_on_its_way(make_stack: MakeStack) -> None:
    stack = make_stack(script=Script(answers={"": POISONED}, token_delay=0.002))
    chunks = events(await stack.chat(stream=True, language="fr"))
    released = said(chunks)
    assert released
    assert POISONED.startswith(released)
    assert "zarzour" not in released
    assert any(text.startswith(released) for text in stack.verdicts.passed)
    last = chunks[-1]["choices"][0]
    assert last["finish_reason"] == "content_filter"
    assert last["delta"] == {
        "refusal": "Cette réponse a été retenue, car elle est contraire à la politique d'utilisation."
    }
    assert chunks[-1]["judgement"]["stage"] == "answer"
    tokens = chunks[-1]["judgement"]["tokens"]
    assert tokens["released"] == len(released.split())
    assert tokens["wasted"] == tokens["generated"] - tokens["released"]


@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant"])
async def test_a_whole_answer_that_violates(make_stack: MakeStack, application: str) -> None:
    """Not streamed, a blocked answer keeps nothing of what had passed."""
    stack = make_stack(script=Script(answers={"": POISONED}))
    response = await stack.chat("Bonjour", application, language="fr")
    [choice] = response.json()["choices"]
    assert choice["message"]["content"].startswith("Cette réponse a été retenue")
    assert choice["finish_reason"] == "content_filter"
    assert "mot1" not in response.text


async def test_gate_releases_all_or_nothing(make_stack: MakeStack) -> None:
    stack = make_stack(script=Script(answers={"": POISONED, "good": LONG}))
    [refusal] = events(await stack.chat("Bonjour", "jorf-assistant", stream=True))
    assert refusal["choices"][0]["finish_reason"] == "content_filter"
    good = events(await stack.chat("good", "jorf-assistant", stream=True))
    assert said(good) == LONG
    assert good[-1]["judgement"]["calls"] == 2  # the prompt, and the whole answer once


@pytest.mark.parametrize("stream", [False, True])
async def test_observe_lets_pass_and_says_so(make_stack: MakeStack, stream: bool) -> None:
    stack = make_stack(script=Script(answers={"": POISONED}))
    response = await stack.chat("Bonjour", "safi-assistant", stream=stream)
    assert response.headers["x-mizan-mode"] == "observe"
    if stream:
        chunks = events(response)
        content, judgement = said(chunks), chunks[-1]["judgement"]
    else:
        content, judgement = response.json()["choices"][0]["message"]["content"], response.json()["judgement"]
    assert content == POISONED
    assert judgement["outcome"] == "flagged"
    assert judgement["tokens"]["exposed"] > 0


@pytest.mark.parametrize(
    ("application", "mode"),
    [("jorf-assistant", "gate"), ("khouribga-assistant", "window"), ("safi-assistant", "observe")],
)
async def test_exposure_is_a_metric_by_mode(make_stack: MakeStack, application: str, mode: str) -> None:
    stack = make_stack(script=Script(answers={"": POISONED}, token_delay=0.001))

    async def metric(name: str) -> float:
        text = (await stack.client(None).get("/metrics")).text
        wanted = f'mizan_exposed_tokens_{name}{{mode="{mode}"}} '
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(wanted))

    count, tokens = await metric("count"), await metric("sum")
    judgement = (await stack.chat("Bonjour", application)).json()["judgement"]
    assert judgement["flagged"]
    assert await metric("count") == count + 1
    assert await metric("sum") == tokens + judgement["tokens"]["exposed"]
    assert (judgement["tokens"]["exposed"] > 0) is (mode == "observe")


@pytest.mark.parametrize(
    ("language", "flagged"),
    [
        ("fr-FR,en;q=0.5", "Cette réponse a été retenue"),
        ("ar", "تم حجب هذه الإجابة"),
        ("ar-MA", "هاد الجواب تحبس"),
        ("en", "This answer was withheld"),
        ("de", "This answer was withheld"),
    ],
)
async def test_refusals_speak_the_readers_language(stack: Stack, language: str, flagged: str) -> None:
    answer = (await stack.chat("zarzour", language=language)).json()
    assert answer["choices"][0]["message"]["content"].startswith(flagged)


@pytest.mark.parametrize("fault", ["error", "hang", "garbled", "low_mass", "nan"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant"])
async def test_a_judge_at_fault_blocks(
    make_stack: MakeStack, fault: str, stream: bool, application: str
) -> None:
    judge = Script.model_validate({"judge": SCORES, "judge_fault": fault})
    # Only the hanging judge may run into the timeout, however slow the machine.
    stack = make_stack(judge=judge, policy={"judge_timeout": 0.2 if fault == "hang" else 30})
    response = await stack.chat("Bonjour", application, stream=stream)
    assert response.status_code == 200
    answer = events(response)[-1] if stream else response.json()
    assert "quick brown" not in response.text
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert answer["judgement"]["outcome"] == "undecided"
    assert answer["judgement"]["flagged"] is False
    reason = {"error": "failed", "hang": "timeout", "garbled": "garbled"}.get(fault, "unsure")
    assert answer["judgement"]["reason"] == reason
    assert "could not be checked" in response.text
    assert await stack.settled()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_fails_before_anything_left(make_stack: MakeStack, stream: bool) -> None:
    stack = make_stack(script=Script(fail_after=0))
    response = await stack.chat(stream=stream)
    assert response.status_code == 502
    assert response.json()["error"] == {
        "message": "The model failed to answer.",
        "type": "server_error",
        "param": None,
        "code": "model_failed",
    }
    assert await stack.settled()


async def test_an_engine_that_fails_half_way(make_stack: MakeStack) -> None:
    script = Script(answers={"": LONG}, fail_after=30, token_delay=0.002)
    stack = make_stack(script=script)
    response = await stack.chat(stream=True)
    assert response.status_code == 200
    *lines, last = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert json.loads(last)["error"]["code"] == "model_failed"
    released = said([json.loads(line) for line in lines])
    assert released
    assert LONG.startswith(released)
    assert any(text.startswith(released) for text in stack.verdicts.passed)
    assert await stack.settled()


async def test_an_engine_that_fails_half_way_leaves_no_half_answer(make_stack: MakeStack) -> None:
    stack = make_stack(script=Script(answers={"": LONG}, fail_after=30))
    response = await stack.chat()
    assert response.status_code == 502
    assert "mot" not in response.text


@pytest.mark.parametrize("stream", [False, True])
async def test_an_overloaded_engine(make_stack: MakeStack, stream: bool) -> None:
    error = EngineError(503, "The model has no free replica; try again shortly.", code="model_overloaded")
    response = await make_stack(engine=Refusing(error)).chat(stream=stream)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["code"] == "model_overloaded"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_over_the_context(make_stack: MakeStack, stream: bool) -> None:
    response = await make_stack(engine=Refusing(too_long())).chat("mot " * 10_000, stream=stream)
    assert response.status_code == 400
    assert response.json()["error"] == {
        "message": "This model's maximum context length is 8192 tokens.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }


async def test_a_prompt_far_over_the_context_reaches_neither_model(stack: Stack) -> None:
    response = await stack.chat("mot " * 200_000)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert stack.engine.untouched
    assert stack.judge.untouched


class Reading(Model):
    """A judge that reads for ever, or answers at once and says so."""

    def __init__(self, answers: bool) -> None:
        super().__init__(Script(judge=SCORES))
        self._answers = answers
        self.asked = asyncio.Event()
        self.reading = 0

    async def score(self, questions: Sequence[Question]) -> list[LabelScores | JudgeError]:
        self.reading += 1
        try:
            if not self._answers:
                self.asked.set()
                await asyncio.Event().wait()
            return await super().score(questions)
        finally:
            self.reading -= 1
            self.asked.set()


class RefusingOnceJudged(Refusing):
    """Refuses a prompt only when the judge has been asked about it."""

    def __init__(self, judge: Reading) -> None:
        super().__init__(too_long())
        self._judge = judge

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        await self._judge.asked.wait()
        for _ in range(50):  # let whoever waits for the judge go on
            await asyncio.sleep(0)
        async with contextlib.aclosing(super().generate(generation)) as deltas:
            async for delta in deltas:
                yield delta


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("application", ["khouribga-assistant", "jorf-assistant"], ids=["window", "gate"])
@pytest.mark.parametrize("answers", [False, True], ids=["while the judge reads", "when it has passed"])
async def test_a_prompt_over_the_context_ends_the_judges_work(
    make_stack: MakeStack, stream: bool, application: str, answers: bool
) -> None:
    judge = Reading(answers)
    stack = make_stack(engine=RefusingOnceJudged(judge), judge=judge)
    response = await stack.chat("mot " * 10_000, application, stream=stream)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    await asyncio.sleep(0)
    assert judge.asked.is_set()
    assert judge.reading == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_takes_too_long(make_stack: MakeStack, stream: bool) -> None:
    stack = make_stack(script=Script(token_delay=30), request_timeout=0.2)
    response = await stack.chat(stream=stream)
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "timeout"
    assert await stack.settled()


async def test_a_stream_that_takes_too_long(make_stack: MakeStack) -> None:
    script = Script(answers={"": LONG * 50}, token_delay=0.05)
    stack = make_stack(script=script, request_timeout=6, policy={"first_window": 1})
    response = await stack.chat(stream=True)
    assert response.status_code == 200
    assert "[DONE]" not in response.text
    assert json.loads(response.text.rstrip().rpartition("data: ")[2])["error"]["code"] == "timeout"
    assert await stack.settled()


@pytest.mark.parametrize("path", ["/v1/models", f"/v1/models/{MODEL}"])
async def test_models(stack: Stack, path: str) -> None:
    response = await stack.client().get(path)
    assert response.status_code == 200
    body = response.json()
    [model] = body["data"] if path == "/v1/models" else [body]
    assert (model["id"], model["object"], model["max_model_len"]) == (MODEL, "model", 8192)


async def test_a_tenant_sees_its_own_models_only(stack: Stack) -> None:
    client = stack.client("other-assistant")
    assert (await client.get("/v1/models")).json() == {"object": "list", "data": []}
    for model in (MODEL, "another-model", "no/such/model"):
        response = await client.get(f"/v1/models/{model}")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "model_not_found"


async def test_health_and_metrics_need_no_token(stack: Stack) -> None:
    client = stack.client(None)
    assert (await client.get("/health/live")).json() == {"status": "alive"}
    assert (await client.get("/health/ready")).json() == {"status": "ready"}
    await stack.chat()
    metrics = await client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "mizan_requests_total" in metrics.text


async def test_metrics_may_ask_for_a_token_of_their_own(make_stack: MakeStack) -> None:
    stack = make_stack(metrics_token="a-token-for-prometheus")
    client = stack.client(None)
    refused = [
        await client.get("/metrics", headers=headers)
        for headers in (
            {},
            {"Authorization": "Bearer another-token-for-it"},
            {"Authorization": f"Bearer {stack.issuer.token('mizan-operator')}"},
            {"Authorization": "Basic a-token-for-prometheus"},
        )
    ]
    for response in refused:
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert "mizan_requests_total" not in response.text
    allowed = await client.get("/metrics", headers={"Authorization": "Bearer a-token-for-prometheus"})
    assert allowed.status_code == 200


async def test_metrics_can_be_closed(make_stack: MakeStack) -> None:
    response = await make_stack(metrics_open=False).client(None).get("/metrics")
    assert response.status_code == 401
    assert "gateway.metrics_token" in response.json()["error"]["message"]


class Down(Refusing):
    async def check_ready(self) -> None:
        raise EngineError(503, "The model is restarting; try again shortly.")


async def test_not_ready_in_production(make_stack: MakeStack) -> None:
    stack = make_stack(engine=Down(RuntimeError()), health_details=False)
    response = await stack.client(None).get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reason": "the native model does not answer"}


async def test_not_ready(make_stack: MakeStack) -> None:
    stack = make_stack(engine=Down(RuntimeError()))
    response = await stack.client(None).get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "reason": "the native model does not answer: The model is restarting; try again shortly.",
    }
    assert (await stack.client(None).get("/health/live")).status_code == 200


async def test_an_unforeseen_error_says_nothing_of_itself(make_stack: MakeStack) -> None:
    stack = make_stack(engine=Refusing(RuntimeError("a secret of the inside")))
    response = await stack.client().post(CHAT, json=ask())
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "secret" not in response.text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_repaired_answer(make_stack: MakeStack, stream: bool) -> None:
    """The native model, told what was found, says something else."""
    script = Script(answers={"": "a zarzour at once", "was withheld": "The quick brown fox."})
    stack = make_stack(script=script, policy={"action": "repair"})
    response = await stack.chat(stream=stream)
    body = events(response)[-1] if stream else response.json()
    said_text = said(events(response)) if stream else body["choices"][0]["message"]["content"]
    assert said_text == "The quick brown fox."
    assert "zarzour" not in response.text
    assert body["judgement"]["outcome"] == "passed"
    assert [attempt["outcome"] for attempt in body["judgement"]["attempts"]] == ["flagged"]
    assert body["judgement"]["tokens"]["generated"] == 8
    assert len(stack.engine.generations) == 2
    found = await stack.client().get(f"/v1/judgements/{response.headers['x-mizan-request-id']}")
    assert found.json()["judgement"] == body["judgement"]
