"""What every judge family provides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from serving.judging.conversation import Check
from serving.judging.hazards import Hazard
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question
from serving.judging.verdict import Finding


@dataclass(frozen=True, slots=True)
class Reply:
    """A question and what the judge model answered."""

    question: Question
    scores: LabelScores


@dataclass(frozen=True, slots=True)
class Scope:
    """What a family can be asked about.

    `hazards` are those it tells apart; None where one score stands for all of them. `criteria`: whether it
    reads free text.
    """

    hazards: frozenset[Hazard] | None
    criteria: bool = False


class Template(Protocol):
    """How one family of judge models is asked and read. Pure: no model, no clock, no input or output."""

    @property
    def family(self) -> str:
        """The name that catalog entries use."""
        ...

    def scope(self) -> Scope: ...

    def labels(self) -> tuple[str, ...]:
        """Every label the family uses; each must be a single token, which the engine asserts at start."""
        ...

    def questions(self, check: Check, policy: Policy) -> tuple[Question, ...]:
        """The questions that together decide a check; none where the policy asks what the family can't."""
        ...

    def findings(self, replies: Sequence[Reply], policy: Policy) -> tuple[Finding, ...]:
        """Read the answers. Of several pieces of a long text the worst one counts."""
        ...


@runtime_checkable
class SecondRound(Protocol):
    """A family that can be asked which hazard it is, once something violates."""

    def follow_up(
        self, replies: Sequence[Reply], findings: Sequence[Finding], policy: Policy
    ) -> tuple[Question, ...]:
        """What to ask then; nothing where the findings say it all."""
        ...

    def refined(
        self,
        findings: tuple[Finding, ...],
        replies: Sequence[Reply],
        answers: Sequence[Reply],
        policy: Policy,
    ) -> tuple[Finding, ...]:
        """The findings in the light of the answers to `follow_up`."""
        ...


class OneRound:
    """A family whose questions are read one by one."""

    __slots__ = ()

    def finding(self, question: Question, scores: LabelScores, policy: Policy) -> Finding:
        raise NotImplementedError

    def findings(self, replies: Sequence[Reply], policy: Policy) -> tuple[Finding, ...]:
        return tuple(self.finding(reply.question, reply.scores, policy) for reply in replies)
