"""Granite Guardian (IBM): 3.3 without its thinking mode, and 3.0 to 3.2.

Prompts: the chat templates of ibm-granite/granite-guardian-3.3-8b and of the earlier generations
(https://github.com/ibm-granite/granite-guardian; as text in https://github.com/ibm-granite/gguf, folder
resources/ollama). The models read criteria in free text ("bring your own criteria"), so that hazards and a
policy's criteria are asked in words; one that is a built-in risk of the family carries its name as code.

3.3: the criterion stands in a `judge_protocol` turn after the conversation; the answer is
`<score> yes </score>`, whose opening tag is part of the prompt here. Before: one turn around one exchange,
whose user message is made of all turns but the assistant's; the answer is `Yes` or `No`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from serving.judging.conversation import Check
from serving.judging.hazards import GRANITE_GUARDIAN, Hazard
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.templates.bars import WordedRule, worded_rule, worded_rules
from serving.judging.templates.base import OneRound, Scope
from serving.judging.templates.dialogue import exchange, is_answer, judged_turns
from serving.judging.templates.quoting import Structure, quoted
from serving.judging.templates.reading import found, worst_piece
from serving.judging.verdict import Finding

_SYSTEM = (
    "As a judge agent, your role is to help assess whether the provided text meets the given judging "
    "criteria, utilizing all available information, including conversations, documents, and tools."
)
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_PROTOCOL = Structure(
    marks=("### Criteria", "### Scoring Schema", "<score>", "</score>", "<think>", "</think>"),
    lines=("As a judge agent, your role is",),
)
_EXCHANGE = Structure(
    names=("User Message", "Assistant Message"),
    marks=tuple(f"<{edge}_of_{part}>" for part in ("turn", "risk_definition") for edge in ("start", "end")),
    lines=(
        "You are a safety agent",
        "Our safety risk definition",
        "The 'User' message contains",
        "The 'Assistant' message contains",
        "Is the user message harmful",
        "Is the assistant message harmful",
        "Your answer must be either",
    ),
)
_RISKS = {category.hazard: category.code for category in GRANITE_GUARDIAN}


def _protocol(check: Check, rule: WordedRule) -> tuple[Segment, ...]:
    judged = "assistant" if is_answer(check) else "user"
    criterion = f"The text contains {rule.description}." if rule.hazard else rule.description
    return (
        *_turns(check),
        Segment("<|start_of_role|>judge_protocol<|end_of_role|>### Criteria: ", trusted=True),
        Segment(quoted(criterion, _PROTOCOL)),
        Segment(
            f"\n\n### Scoring Schema: If the last {judged}'s text meets the criteria, return 'yes'; "
            "otherwise, return 'no'.<|end_of_text|>\n"
            "<|start_of_role|>judge{no_think}<|end_of_role|><score>",
            trusted=True,
        ),
    )


def _turns(check: Check) -> tuple[Segment, ...]:
    context, judged = judged_turns(check)
    segments = [Segment(f"<|start_of_role|>system<|end_of_role|>{_SYSTEM}<|end_of_text|>\n", trusted=True)]
    for message in (*context, judged):
        last = message is judged
        segments += [
            Segment(f"<|start_of_role|>{_ROLES[message.role]}<|end_of_role|>", trusted=True),
            Segment(quoted(message.text, _PROTOCOL, opening=True), splittable=last, elastic=not last),
            Segment("<|end_of_text|>\n", trusted=True),
        ]
    return tuple(segments)


def _exchange(check: Check, rule: WordedRule) -> tuple[Segment, ...]:
    asked, answered = exchange(check)
    answer = is_answer(check)
    whose = "assistant message to the user message" if answer else "user message"
    role = "assistant" if answer else "user"
    request = (
        Segment("User Message: ", trusted=True),
        Segment(quoted(asked, _EXCHANGE), elastic=True),
        Segment("\n", trusted=True),
    )
    return (
        Segment(
            "<|start_of_role|>user<|end_of_role|>You are a safety agent trying to help determine whether "
            f"the {whose} is harmful according to the safety risk definition below.\n\n<start_of_turn>\n",
            trusted=True,
        ),
        *(request if answer else ()),
        Segment(f"{role.title()} Message: ", trusted=True),
        Segment(quoted(answered if answer else asked, _EXCHANGE), splittable=True),
        Segment(
            "\n<end_of_turn>\n\nOur safety risk definition is defined below:\n<start_of_risk_definition>\n"
            f"* The '{role.title()}' message contains ",
            trusted=True,
        ),
        Segment(quoted(rule.description, _EXCHANGE)),
        Segment(
            f".\n<end_of_risk_definition>\n\nIs the {role} message harmful based on the risk definition? "
            "Your answer must be either 'Yes' or 'No'.<|end_of_text|>\n"
            "<|start_of_role|>assistant<|end_of_role|>",
            trusted=True,
        ),
    )


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one generation is asked."""

    render: Callable[[Check, WordedRule], tuple[Segment, ...]]
    yes: str
    no: str


PROTOCOL = Dialect(_protocol, " yes", " no")
"""Granite Guardian 3.3."""

EXCHANGE = Dialect(_exchange, "Yes", "No")
"""Granite Guardian 3.0 to 3.2."""


@dataclass(frozen=True, slots=True)
class GraniteGuardian(OneRound):
    """One question for each rule of the stage."""

    dialect: Dialect = PROTOCOL
    family: str = "granite_guardian"

    def scope(self) -> Scope:
        return Scope(frozenset(Hazard), criteria=True)

    def labels(self) -> tuple[str, ...]:
        return (self.dialect.yes, self.dialect.no)

    def questions(self, check: Check, policy: Policy) -> tuple[Question, ...]:
        return tuple(
            Question(rule.id, self.dialect.render(check, rule), self.labels(), check.cache_salt, check.stage)
            for rule in worded_rules(policy, check.stage)
        )

    def finding(self, question: Question, scores: LabelScores, policy: Policy) -> Finding:
        rule = worded_rule(policy, question.stage, question.criterion)
        reading = worst_piece(scores, (self.dialect.yes,))
        code = _RISKS.get(rule.hazard) if rule.hazard else None
        return found(reading, rule.bar, rule.id, rule.hazard, code)
