"""The requests of a run: the same prompts, in the same order, for every arm."""

from dataclasses import dataclass
from hashlib import blake2s

from benchmarks.arms.arm import Arm
from benchmarks.scenarios.scenario import PromptSet


@dataclass(frozen=True, slots=True)
class RequestShape:
    """What all requests of a run have in common.

    `unique_prompts` puts a short reference line before each prompt, different for every request of every arm:
    otherwise a prompt set repeated over and over measures the server's prefix cache, and of two arms that
    share a server the second finds there what the first one left (one server against itself: a third of the
    time to first token).
    """

    max_tokens: int = 64
    temperature: float = 0.0
    streamed: bool = True
    ask_usage: bool = True
    unique_prompts: bool = True


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request: the body to send, and which prompt it is."""

    body: dict[str, object]
    prompt: str
    language: str
    streamed: bool


def compose(shape: RequestShape, prompts: PromptSet, arm: Arm, scope: str, sequence: int) -> ChatRequest:
    """Request number `sequence` of `scope` (a level and round): the same prompt for every arm."""
    prompt = prompts.at(scope, sequence)
    text = prompt.text
    if shape.unique_prompts:
        digest = blake2s(f"{prompts.seed}/{arm.name}/{scope}/{sequence}".encode(), digest_size=3).hexdigest()
        text = f"Ref. {digest}.\n{text}"
    body: dict[str, object] = {
        "model": arm.model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": shape.max_tokens,
        "temperature": shape.temperature,
        "stream": shape.streamed,
    }
    if shape.streamed and shape.ask_usage:
        body["stream_options"] = {"include_usage": True}
    return ChatRequest(body, prompt.id, prompt.language, shape.streamed)
