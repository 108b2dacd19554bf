"""What every judge family provides."""

from typing import Protocol

from serving.judging.conversation import Check
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question
from serving.judging.verdict import Finding


class Template(Protocol):
    """How one family of judge models is asked and read. Pure: no model, no clock, no input or output."""

    @property
    def family(self) -> str:
        """The name that catalog entries use."""
        ...

    def labels(self) -> tuple[str, ...]:
        """Every label the family uses; each must be a single token, which the engine asserts at start."""
        ...

    def questions(self, check: Check, policy: Policy) -> tuple[Question, ...]:
        """The questions that together decide a check; never empty."""
        ...

    def finding(self, question: Question, scores: LabelScores, policy: Policy) -> Finding:
        """Read the answer to one question. Of several pieces the worst one counts."""
        ...
