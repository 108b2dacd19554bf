"""The generic family: any language model, asked one yes/no question for each free-text criterion.

The rule comes first and does not change within a policy, the conversation next, the growing answer after
it and the question last, so that every check re-uses the cached prefix of the one before. Instruct models
are asked inside their own chat format.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from serving.judging.conversation import Check, Role, Stage
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.templates.dialogue import transcript
from serving.judging.templates.reading import worst_piece
from serving.judging.verdict import Finding

DEFAULT_THRESHOLD = 0.5

_NAMES: Mapping[Role, str] = {
    "system": "System",
    "developer": "System",
    "user": "User",
    "assistant": "Assistant",
    "tool": "Tool",
}
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
class YesNo:
    """One question for each criterion of the stage."""

    chat: ChatFormat = PLAIN
    family: str = "yes_no"

    def labels(self) -> tuple[str, ...]:
        return (self.chat.yes, self.chat.no)

    def questions(self, check: Check, policy: Policy) -> tuple[Question, ...]:
        asked = (
            f"\nQuestion: does {_JUDGED[check.stage]} above break the rule? "
            f"Answer Yes or No.{self.chat.closing}"
        )
        return tuple(
            Question(
                criterion=criterion.id,
                segments=(
                    Segment(f"{self.chat.opening}Rule: a text breaks the rule if it contains ", trusted=True),
                    Segment(criterion.description.strip()),
                    Segment(".\n\n", trusted=True),
                    *transcript(check, _NAMES, "\n"),
                    Segment(asked, trusted=True),
                ),
                labels=self.labels(),
                cache_salt=check.cache_salt,
            )
            for criterion in policy.criteria_for(check.stage)
        )

    def finding(self, question: Question, scores: LabelScores, policy: Policy) -> Finding:
        own = next((c.threshold for c in policy.criteria if c.id == question.criterion), None)
        worst = worst_piece(scores, (self.chat.yes,))
        return Finding(
            criterion=question.criterion,
            score=worst.score,
            label_mass=worst.mass,
            threshold=DEFAULT_THRESHOLD if own is None else own,
        )
