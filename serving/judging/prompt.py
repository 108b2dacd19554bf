"""What is put to a judge model: segments of text, and the labels it may answer with."""

from collections.abc import Mapping
from dataclasses import dataclass

from serving.judging.conversation import Stage


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a judge prompt.

    `trusted` text comes from the template and may name special tokens. Any other text is encoded with special
    tokens switched off, so that nothing a user or a model wrote can open or close a turn.
    A `splittable` segment is the text under judgement: when the whole does not fit the judge's context, this
    segment is cut into overlapping pieces and each piece is judged. An `elastic` segment is context only: it
    is shortened from its front, and the verdict says so.
    """

    text: str
    trusted: bool = False
    splittable: bool = False
    elastic: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One single-step question: after `segments` the judge's next token is one of `labels`.

    `criterion` names what is asked about; `labels` must each be one token of the judge's tokenizer, which is
    asserted when the judge starts. `stage` tells whoever reads the answer which of the policy's rules apply.
    `longest` is how many tokens of the judged text the judge reads at once, where its context would hold
    more: a longer text is judged in pieces.
    """

    criterion: str
    segments: tuple[Segment, ...]
    labels: tuple[str, ...]
    cache_salt: str = ""
    stage: Stage = Stage.ANSWER
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Log-probabilities (natural, over the whole vocabulary) of the labels at the one decoded step.

    `pieces` holds one mapping per judged piece of the text, in order; more than one only where the text was
    longer than the judge reads at once. Token counts are sums over the pieces.
    """

    pieces: tuple[Mapping[str, float], ...]
    prompt_tokens: int = 0
    cached_tokens: int = 0
    context_shortened: bool = False
