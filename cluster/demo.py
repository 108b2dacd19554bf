"""The demonstration: real conversations with a running stack through the stock OpenAI SDK."""

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from openai import APIStatusError, DefaultHttpxClient, Omit, OpenAI
from pydantic import BaseModel, ConfigDict

CONVERSATIONS = Path(__file__).with_name("conversations.yaml")


class Conversation(BaseModel):
    """One thing to say, and what must come of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str
    prompt: str
    stream: bool
    expect: Literal["passed", "blocked", 401]
    token: Literal["valid", "none", "forged"] = "valid"  # noqa: S105  which kind of token, not one


@dataclass
class Result:
    """What came of it. Times in seconds since the request was sent."""

    conversation: Conversation
    answer: str = ""
    outcome: str = ""
    status: int = 200
    finish_reason: str | None = None
    first: float | None = None
    total: float = 0.0
    judgement: dict[str, Any] = field(default_factory=dict)

    @property
    def as_expected(self) -> bool:
        """A passing answer says something and was judged; a blocked one says the refusal and nothing else."""
        expect = self.conversation.expect
        if isinstance(expect, int):
            return self.status == expect
        if self.status != 200 or not self.answer or not self.judgement:
            return False
        blocked = self.finish_reason == "content_filter"
        if expect == "blocked":
            return blocked and self.judgement["flagged"] and self.judgement["tokens"]["released"] == 0
        return not blocked and self.judgement["outcome"] == "passed"


def load_conversations(path: Path = CONVERSATIONS) -> list[Conversation]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Conversation.model_validate(entry) for entry in data["conversations"]]


def hold(conversation: Conversation, url: str, model: str, token: str) -> Result:
    """Hold one conversation. Connection errors are raised; HTTP errors are results."""
    result = Result(conversation)
    started = time.perf_counter()
    headers = {"Accept-Language": conversation.language}
    client = OpenAI(
        base_url=f"{url}/v1",
        api_key=_presented(conversation, token),
        default_headers=headers,
        max_retries=0,
        timeout=300,
        http_client=DefaultHttpxClient(trust_env=False),
    )
    request: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": conversation.prompt}],
        "max_tokens": 48,
        "temperature": 0.0,
    }
    if conversation.token == "none":  # noqa: S105  which kind of token, not one
        request["extra_headers"] = {"Authorization": Omit()}
    try:
        with client:
            if conversation.stream:
                _stream(client, request, result, started)
            else:
                _complete(client, request, result)
    except APIStatusError as error:
        result.status = error.status_code
        result.outcome = error.code or ""
        result.answer = _message(error)
    result.total = time.perf_counter() - started
    return result


def _stream(client: OpenAI, request: dict[str, Any], result: Result, started: float) -> None:
    for chunk in client.chat.completions.create(**request, stream=True):
        for choice in chunk.choices:
            if choice.delta.content and result.first is None:
                result.first = time.perf_counter() - started
            result.answer += choice.delta.content or ""
            result.finish_reason = choice.finish_reason or result.finish_reason
        _note(result, (chunk.model_extra or {}).get("judgement"))


def _complete(client: OpenAI, request: dict[str, Any], result: Result) -> None:
    completion = client.chat.completions.create(**request)
    result.answer = completion.choices[0].message.content or ""
    result.finish_reason = completion.choices[0].finish_reason
    _note(result, (completion.model_extra or {}).get("judgement"))


def _note(result: Result, judgement: dict[str, Any] | None) -> None:
    if judgement is not None:
        result.judgement = judgement
        result.outcome = judgement["outcome"]


def _message(error: APIStatusError) -> str:
    """The server's own sentence; the SDK's has the whole body in it."""
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message", error.message))


def forged(token: str, changes: dict[str, Any]) -> str:
    """A token whose claims were changed while its signature stayed."""
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = json.dumps({**claims, **changes}).encode()
    return f"{head}.{base64.urlsafe_b64encode(changed).decode().rstrip('=')}.{signature}"


def _presented(conversation: Conversation, token: str) -> str:
    if conversation.token == "forged":  # noqa: S105  which kind of token, not one
        return forged(token, {"tenant": "another"})
    return token
