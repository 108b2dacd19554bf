"""Why a text got its score: what the score becomes without each of its words (occlusion).

Zeiler and Fergus, arXiv 1311.2901, applied to words. It shows what the judge reacts to, not a proof of why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from serving.judging.conversation import Check, Message, Stage
from serving.judging.judge import decisive
from serving.judging.policy import Policy
from serving.judging.protocols import Judge
from serving.judging.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Word:
    """`weight` is how much lower the score is without the word, for the criterion that decided on the whole;
    negative where the word calms the judge."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict on the whole text, and its words in order."""

    verdict: Verdict
    words: tuple[Word, ...]


async def explain(judge: Judge, policy: Policy, check: Check, most_words: int = 80) -> Explanation:
    """Judge the text, then the text without each of its words; a long one in runs of several words.

    Raises JudgeError where the judge can't decide.
    """
    verdict = await judge.judge(check, policy)
    words = _text(check).split()
    length = max(1, -(-len(words) // most_words))
    runs = [words[start : start + length] for start in range(0, len(words), length)]
    if len(runs) < 2:
        return Explanation(verdict, tuple(Word(" ".join(run), 0.0) for run in runs))
    weighed = []
    for index, run in enumerate(runs):
        rest = " ".join(word for other, words_ in enumerate(runs) if other != index for word in words_)
        without = await judge.judge(_with_text(check, rest), policy)
        weighed.append(Word(" ".join(run), (verdict.score or 0.0) - _same_score(without, verdict)))
    return Explanation(verdict, tuple(weighed))


def _same_score(other: Verdict, verdict: Verdict) -> float:
    """What another verdict scored by the criterion that decided this one; its own score where it has none."""
    if not verdict.findings:
        return other.score or 0.0
    decided = decisive(verdict.findings)
    for finding in other.findings:
        if (finding.criterion, finding.category) == (decided.criterion, decided.category):
            return finding.score
    return other.score or 0.0


def _text(check: Check) -> str:
    return check.conversation[-1].text if check.stage is Stage.PROMPT else check.text


def _with_text(check: Check, text: str) -> Check:
    if check.stage is not Stage.PROMPT:
        return replace(check, text=text)
    last = check.conversation[-1]
    return replace(check, conversation=(*check.conversation[:-1], Message(last.role, text)))


def strongest(words: Sequence[Word], count: int = 5) -> list[Word]:
    """The words that raise the score most."""
    return sorted((word for word in words if word.weight > 0), key=lambda word: -word.weight)[:count]
