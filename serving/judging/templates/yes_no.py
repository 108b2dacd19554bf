"""The generic family: any language model, asked one yes/no question for each hazard and free-text criterion.

The rule comes first and does not change within a policy, the conversation next, the growing answer after
it and the question last, so that every check re-uses the cached prefix of the one before. Instruct models
are asked inside their own chat format.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from serving.judging.conversation import Check, Role, Stage
from serving.judging.hazards import Hazard
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.templates.bars import worded_rule, worded_rules
from serving.judging.templates.base import OneRound, Scope
from serving.judging.templates.dialogue import transcript, within
from serving.judging.templates.quoting import Structure, quoted
from serving.judging.templates.reading import found, worst_piece
from serving.judging.verdict import Finding

_NAMES: Mapping[Role, str] = {
    "system": "System",
    "developer": "System",
    "user": "User",
    "assistant": "Assistant",
    "tool": "Tool",
}
_STRUCTURE = Structure(names=("Rule", "Question", "Answer"))
_JUDGED = {
    Stage.PROMPT: "the last message of the user",
    Stage.ANSWER: "the last message of the assistant",
    Stage.TOOL_CALL: "the tool call of the assistant",
    Stage.TEXT: "the text",
}


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """What stands before and after the question; both may hold special tokens of the model."""

    opening: str
    closing: str
    yes: str
    no: str


PLAIN = ChatFormat(opening="<bos>", closing="\nAnswer:", yes=" Yes", no=" No")
"""A base model with Gemma's begin-of-text token."""

MISTRAL = ChatFormat(opening="<s>[INST]", closing="[/INST]", yes="Yes", no="No")
"""Mistral instruct models, tokenizer v3 and later."""


@dataclass(frozen=True, slots=True)
class YesNo(OneRound):
    """One question for each rule of the stage."""

    chat: ChatFormat = PLAIN
    family: str = "yes_no"

    def scope(self) -> Scope:
        return Scope(frozenset(Hazard), criteria=True)

    def labels(self) -> tuple[str, ...]:
        return (self.chat.yes, self.chat.no)

    def questions(self, check: Check, policy: Policy) -> tuple[Question, ...]:
        asked = (
            f"\nQuestion: does {_JUDGED[check.stage]} above break the rule? "
            f"Answer Yes or No.{self.chat.closing}"
        )
        return tuple(
            Question(
                criterion=rule.id,
                segments=(
                    Segment(f"{self.chat.opening}Rule: a text breaks the rule if it contains ", trusted=True),
                    Segment(quoted(rule.description, within(_STRUCTURE, _NAMES))),
                    Segment(".\n\n", trusted=True),
                    *transcript(check, _NAMES, "\n", _STRUCTURE),
                    Segment(asked, trusted=True),
                ),
                labels=self.labels(),
                cache_salt=check.cache_salt,
                stage=check.stage,
            )
            for rule in worded_rules(policy, check.stage)
        )

    def finding(self, question: Question, scores: LabelScores, policy: Policy) -> Finding:
        rule = worded_rule(policy, question.stage, question.criterion)
        return found(worst_piece(scores, (self.chat.yes,)), rule.bar, rule.id, rule.hazard)
