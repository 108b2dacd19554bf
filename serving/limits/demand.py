"""The most that a request can take, known before any model has seen it."""

import json
import math
from dataclasses import dataclass
from typing import Final

from serving.judging.protocols import Generation

TEMPLATE_TOKENS: Final = 64
"""What a chat template adds of its own, a default system message included."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Tokens: of the prompt, at most, and of prompt and all choices together."""

    prompt: int
    total: int


def demand_of(generation: Generation, context_length: int, bytes_per_token: float) -> Demand:
    """The demand of a generation. A token is at least one byte of UTF-8, so bytes are the bound.

    Prompt and answer share the engine's context; it refuses what does not fit, and so need not be reserved.
    """
    body = generation.body
    output = int(body.get("max_completion_tokens") or body.get("max_tokens") or context_length)
    prompt = min(text_tokens(body, bytes_per_token) + TEMPLATE_TOKENS, max(context_length - output, 1))
    return Demand(prompt, prompt + generation.n * output)


def text_tokens(value: object, bytes_per_token: float) -> int:
    """The most tokens that the texts of a JSON value can be."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return math.ceil(len(text.encode(errors="replace")) / bytes_per_token)
