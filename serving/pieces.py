"""Fits a judge prompt into the judge's context without leaving any of the judged text out."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.cutting import starts
from serving.judging.protocols import JudgeError

STEPS = 8
"""Into so many parts of the limit context is divided, and shortened by whole ones. If it gave way token by
token, as an answer or a conversation grows, it would never be in the judge's cache of prefixes."""

LEAST_PIECE = 64
"""Tokens of judged text below which a piece would lack the context to be judged by."""


MOST_TOKENS = 262_144
"""Tokens of one text: a bound on what a single request can have the judge read."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A segment's tokens. See `serving.judging.prompt.Segment` for `splittable` and `elastic`."""

    tokens: list[int]
    splittable: bool = False
    elastic: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """The prompts to ask, each at most as long as the limit."""

    prompts: list[list[int]]
    context_shortened: bool = False


def fit(segments: Sequence[Encoded], limit: int, longest: int | None = None) -> Fitted:
    """Make one prompt, or several with overlapping pieces of the splittable segment.

    `longest` is how many tokens a piece may have; without it, as many as there is room for. The elastic
    context gives way first, from its front and in `STEPS`, but keeps a quarter of the room; the judged text
    is never shortened. Raises JudgeError where even that leaves no room, or the text is too long.
    """
    whole = [token for segment in segments for token in segment.tokens]
    judged = sum(len(s.tokens) for s in segments if s.splittable)
    wanted = judged if longest is None else min(judged, longest)
    if len(whole) <= limit and wanted == judged:
        return Fitted([whole])
    fixed = sum(len(s.tokens) for s in segments if not (s.splittable or s.elastic))
    context = sum(len(s.tokens) for s in segments if s.elastic)
    room = limit - fixed
    if room < 0:
        raise JudgeError("context_exceeded", "the policy alone is longer than the judge's context")
    least = min(context, room // 4)
    drop = context - max(least, min(context, room - wanted))
    step = max(1, limit // STEPS)
    drop = min(-(-drop // step) * step, context - least)
    kept = context - drop
    piece = min(room - kept, wanted)
    if piece < min(LEAST_PIECE, judged):
        raise JudgeError("context_exceeded", "the policy leaves no room in the judge's context for the text")
    if judged > MOST_TOKENS:
        raise JudgeError("context_exceeded", f"the text has {judged} tokens, the most is {MOST_TOKENS}")
    prompts = [_assemble(segments, drop, start, start + piece) for start in starts(judged, piece)]
    return Fitted(prompts, context_shortened=drop > 0)


def _assemble(segments: Sequence[Encoded], drop: int, start: int, end: int) -> list[int]:
    """One prompt: elastic tokens without the first `drop`, splittable tokens from `start` to `end`."""
    prompt: list[int] = []
    dropped = passed = 0
    for segment in segments:
        size = len(segment.tokens)
        if segment.elastic:
            skip = min(size, drop - dropped)
            dropped += skip
            prompt += segment.tokens[skip:]
        elif segment.splittable:
            prompt += segment.tokens[max(0, start - passed) : max(0, end - passed)]
            passed += size
        else:
            prompt += segment.tokens
    return prompt
