"""The most that a request can take, known before any model has seen it."""

import json
import math
from dataclasses import dataclass
from typing import Final

from serving.judging.policy import Repair
from serving.judging.protocols import Generation

TEMPLATE_TOKENS: Final = 64
"""What a chat template adds of its own, a default system message included."""

NOTE_TOKENS: Final = 512
"""What a repair puts in front of the conversation, the names of the hazards found included."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Tokens: of the prompt, at most, and of all prompts and answers together, repairs included."""

    prompt: int
    total: int


def demand_of(
    generation: Generation, context_length: int, bytes_per_token: float, repair: Repair | None = None
) -> Demand:
    """The demand of a generation, and of its repairs where the policy has any.

    A token is at least one byte of UTF-8, so bytes are the bound.

    Prompt and answer share the engine's context; it refuses what does not fit, and so need not be reserved.
    """
    body = generation.body
    output = int(body.get("max_completion_tokens") or body.get("max_tokens") or context_length)
    prompt = min(text_tokens(body, bytes_per_token) + TEMPLATE_TOKENS, max(context_length - output, 1))
    total = prompt + generation.n * output
    if repair is not None:
        attempts = generation.n * repair.attempts
        total += attempts * min(prompt + NOTE_TOKENS, context_length) + min(repair.tokens, attempts * output)
    return Demand(prompt, total)


def text_tokens(value: object, bytes_per_token: float) -> int:
    """The most tokens that the texts of a JSON value can be."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return math.ceil(len(text.encode(errors="replace")) / bytes_per_token)
