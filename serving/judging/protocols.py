"""The protocols that judging is written against, and the errors behind them."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from serving.judging.conversation import Check
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question
from serving.judging.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Chunk:
    """One increment of one choice, as the engine produced it.

    `payload` is the OpenAI `choices[]` object of a streaming chunk (`index`, `delta`, `logprobs`,
    `finish_reason`), released intact or not at all. `text` is everything in it that a reader could learn
    something from: content, reasoning, refusals and serialised tool calls; it is what gets judged. So are the
    tokens that log-probabilities name, `spelled` the chosen ones and `alternatives` the others, each by
    itself: they may be ahead of the text, and mixed into it they would garble it for the judge. `hidden`
    counts tokens that were generated and are not in the payload. `thought` is the reasoning that `text`
    begins with: a reader sees it apart.
    """

    choice: int
    payload: dict[str, Any]
    text: str = ""
    tokens: int = 0
    tool: bool = False
    finish_reason: str | None = None
    spelled: str = ""
    alternatives: str = ""
    hidden: int = 0
    thought: str = ""

    @property
    def telling(self) -> bool:
        """Whether a reader could learn something from it."""
        return bool(self.text or self.spelled or self.alternatives)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a generation so far, as counted by the engine."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """What an engine yields: the chunks that have arrived since the last one, and the usage so far."""

    chunks: tuple[Chunk, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Generation:
    """A request as an engine receives it. `body` is an OpenAI chat request that the gateway has validated."""

    request_id: str
    body: dict[str, Any]
    n: int = 1
    cache_salt: str = ""
    trace: dict[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """A native model. Closing the generator aborts the generation."""

    def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]: ...


class Judge(Protocol):
    """Decides one check. Raises JudgeError; whatever it raises blocks.

    `id` and `digest` name the model and its weights in every verdict.
    """

    id: str
    digest: str

    async def judge(self, check: Check, policy: Policy) -> Verdict: ...


class Scorer(Protocol):
    """A judge model: answers single-step questions with label log-probabilities, in order."""

    async def score(self, questions: Sequence[Question]) -> Sequence[LabelScores]: ...


class JudgeError(Exception):
    """The judge could not decide. `reason` is a stable word for logs, metrics and verdicts."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["JudgeError"], tuple[str, str]]:
        return type(self), (self.reason, str(self))


class EngineError(Exception):
    """The native model failed. `status` is the HTTP status; `message` is safe to show; pickles."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param

    def __reduce__(self) -> tuple[type["EngineError"], tuple[int, str, str | None, str | None]]:
        return type(self), (self.status, self.message, self.code, self.param)
