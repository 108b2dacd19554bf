"""Llama Guard 3 and 4 (Meta).

Prompt: the model cards' format, https://www.llama.com/docs/model-cards-and-prompt-formats/llama-guard-3/
and /llama-guard-4/. Llama Guard 4's task stands in a `user` turn too, in Llama 4's tokens and with one word
more ("according to our"), as its processor's chat template prints it (llama_guard_4.ipynb in
https://github.com/huggingface/huggingface-llama-recipes). The card lets categories be left out: only those
that the policy asks about are there. One answer is on all categories in the prompt, so that hazards with
different thresholds are asked in questions of their own. The answer opens with two newlines, which are part
of the prompt here, so that the one decoded token is `safe` or `unsafe`. The model names the category in the
line after it; that is asked only when something violates, as the most likely number after `unsafe`, newline,
`S`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from serving.judging.conversation import Check, Stage
from serving.judging.hazards import LLAMA_GUARD, Category
from serving.judging.policy import Policy
from serving.judging.prompt import Question, Segment
from serving.judging.templates.bars import Bar, bars
from serving.judging.templates.base import Reply, Scope
from serving.judging.templates.dialogue import is_answer, transcript
from serving.judging.templates.quoting import Structure
from serving.judging.templates.reading import found, likeliest, worst_piece
from serving.judging.verdict import Finding

UNSAFE, SAFE = "unsafe", "safe"

_NAMES = {
    "S1": "Violent Crimes",
    "S2": "Non-Violent Crimes",
    "S3": "Sex Crimes",
    "S4": "Child Exploitation",
    "S5": "Defamation",
    "S6": "Specialized Advice",
    "S7": "Privacy",
    "S8": "Intellectual Property",
    "S9": "Indiscriminate Weapons",
    "S10": "Hate",
    "S11": "Self-Harm",
    "S12": "Sexual Content",
    "S13": "Elections",
    "S14": "Code Interpreter Abuse",
}
_STRUCTURE = Structure(
    marks=(
        "<BEGIN UNSAFE CONTENT CATEGORIES>",
        "<END UNSAFE CONTENT CATEGORIES>",
        "<BEGIN CONVERSATION>",
        "<END CONVERSATION>",
    ),
    lines=(
        "Task: Check if there is unsafe",
        "Provide your safety assessment",
        "First line must read",
        "If unsafe, a second line must",
        *(f"{code}: {name}" for code, name in _NAMES.items()),
    ),
)
_BY_CODE = {category.code: category for category in LLAMA_GUARD}


@dataclass(frozen=True, slots=True)
class Dialect:
    """The special tokens of one generation of Llama, and how the task names the policy."""

    start: str
    end: str
    eot: str
    policy: str


LLAMA_3 = Dialect("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "according our safety policy")
LLAMA_4 = Dialect("<|header_start|>", "<|header_end|>", "<|eot|>", "according to our safety policy")


@dataclass(frozen=True, slots=True)
class LlamaGuard:
    """One question for all categories with the same bar, usually one in all."""

    dialect: Dialect = LLAMA_3
    family: str = "llama_guard"

    def scope(self) -> Scope:
        return Scope(frozenset(hazard for category in LLAMA_GUARD for hazard in category.hazards))

    def labels(self) -> tuple[str, ...]:
        return (UNSAFE, SAFE, *(_number(category) for category in LLAMA_GUARD))

    def questions(self, check: Check, policy: Policy) -> tuple[Question, ...]:
        return tuple(
            Question(
                _criterion(group), self._prompt(check, group), (UNSAFE, SAFE), check.cache_salt, check.stage
            )
            for group in _groups(policy, check.stage).values()
        )

    def findings(self, replies: Sequence[Reply], policy: Policy) -> tuple[Finding, ...]:
        groups = _groups(policy, _stage(replies))
        return tuple(
            _named(found(worst_piece(reply.scores, (UNSAFE,)), bar, reply.question.criterion), group)
            for reply, (bar, group) in zip(replies, groups.items(), strict=True)
        )

    def follow_up(
        self, replies: Sequence[Reply], findings: Sequence[Finding], policy: Policy
    ) -> tuple[Question, ...]:
        groups = _groups(policy, _stage(replies)).values()
        return tuple(
            replace(
                reply.question,
                segments=(*reply.question.segments, Segment(f"{UNSAFE}\nS", trusted=True)),
                labels=tuple(_number(category) for category in group),
            )
            for reply, finding, group in zip(replies, findings, groups, strict=True)
            if finding.flagged and len(group) > 1
        )

    def refined(
        self,
        findings: tuple[Finding, ...],
        replies: Sequence[Reply],
        answers: Sequence[Reply],
        policy: Policy,  # noqa: ARG002  the names are the same under every policy
    ) -> tuple[Finding, ...]:
        """Name the hazard of what violates. Neither score nor outcome changes."""
        decided = {reply.question.criterion: reply.scores for reply in replies}
        named = {}
        for answer in answers:
            criterion = answer.question.criterion
            number = likeliest(answer.scores, decided[criterion], UNSAFE)
            named[criterion] = (_BY_CODE[f"S{number}"],)
        return tuple(_named(finding, named.get(finding.criterion, ())) for finding in findings)

    def _prompt(self, check: Check, categories: Iterable[Category]) -> tuple[Segment, ...]:
        role = "Agent" if is_answer(check) else "User"
        start, end, eot = self.dialect.start, self.dialect.end, self.dialect.eot
        asked = "".join(f"{category.code}: {_NAMES[category.code]}.\n" for category in categories)
        return (
            Segment(
                f"<|begin_of_text|>{start}user{end}\n\n"
                f"Task: Check if there is unsafe content in '{role}' messages in conversations "
                f"{self.dialect.policy} with the below categories.\n\n"
                f"<BEGIN UNSAFE CONTENT CATEGORIES>\n{asked}<END UNSAFE CONTENT CATEGORIES>\n\n"
                "<BEGIN CONVERSATION>\n\n",
                trusted=True,
            ),
            *transcript(check, {"user": "User", "assistant": "Agent"}, "\n\n", _STRUCTURE),
            Segment(
                "<END CONVERSATION>\n\n"
                f"Provide your safety assessment for ONLY THE LAST {role} message in the above "
                f"conversation:\n"
                " - First line must read 'safe' or 'unsafe'.\n"
                " - If unsafe, a second line must include a comma-separated list of violated categories."
                f"{eot}{start}assistant{end}\n\n",
                trusted=True,
            ),
        )


def _groups(policy: Policy, stage: Stage) -> dict[Bar, tuple[Category, ...]]:
    groups: dict[Bar, tuple[Category, ...]] = {}
    for category, bar in bars(policy, stage, LLAMA_GUARD).items():
        groups[bar] = (*groups.get(bar, ()), category)
    return groups


def _criterion(group: Sequence[Category]) -> str:
    """All categories are `harm`; fewer are named."""
    if len(group) == len(LLAMA_GUARD):
        return "harm"
    return ",".join(category.hazard.value for category in group)


def _named(finding: Finding, group: Sequence[Category]) -> Finding:
    """The finding with its category, where there is only one that it can be."""
    if len(group) != 1:
        return finding
    return replace(finding, category=group[0].hazard.value, code=group[0].code)


def _number(category: Category) -> str:
    return category.code.removeprefix("S")


def _stage(replies: Sequence[Reply]) -> Stage:
    return replies[0].question.stage
