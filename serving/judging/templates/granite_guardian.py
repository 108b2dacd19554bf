"""Granite Guardian 3.3 (IBM), without its thinking mode.

Prompt: the chat template of ibm-granite/granite-guardian-3.3-8b (https://github.com/ibm-granite/granite-
guardian). The criterion stands in a `judge_protocol` turn after the conversation. The model reads
criteria in free text, so a policy's are asked in its own words; one named like a built-in risk carries
that risk's hazard as its category. The answer is `<score> yes </score>`; its opening tag is part of the
prompt here.
"""

from dataclasses import dataclass

from serving.judging.conversation import Check
from serving.judging.hazards import GRANITE_GUARDIAN
from serving.judging.policy import Policy
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.templates.dialogue import is_answer, judged_turns
from serving.judging.templates.reading import worst_piece
from serving.judging.verdict import Finding

YES, NO = " yes", " no"
DEFAULT_THRESHOLD = 0.5

_SYSTEM = (
    "As a judge agent, your role is to help assess whether the provided text meets the given "
    "judging criteria, "
    "utilizing all available information, including conversations, documents, and tools."
)
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class GraniteGuardian:
    """One question for each criterion of the stage."""

    family: str = "granite_guardian"

    def labels(self) -> tuple[str, ...]:
        return (YES, NO)

    def questions(self, check: Check, policy: Policy) -> tuple[Question, ...]:
        conversation = _conversation(check)
        judged = "assistant" if is_answer(check) else "user"
        return tuple(
            Question(
                criterion=criterion.id,
                segments=(
                    *conversation,
                    Segment("<|start_of_role|>judge_protocol<|end_of_role|>### Criteria: ", trusted=True),
                    Segment(criterion.description.strip()),
                    Segment(
                        f"\n\n### Scoring Schema: If the last {judged}'s text meets the criteria, "
                        f"return 'yes'; "
                        "otherwise, return 'no'.<|end_of_text|>\n"
                        "<|start_of_role|>judge{no_think}<|end_of_role|><score>",
                        trusted=True,
                    ),
                ),
                labels=(YES, NO),
                cache_salt=check.cache_salt,
            )
            for criterion in policy.criteria_for(check.stage)
        )

    def finding(self, question: Question, scores: LabelScores, policy: Policy) -> Finding:
        own = next((c.threshold for c in policy.criteria if c.id == question.criterion), None)
        worst = worst_piece(scores, (YES,))
        hazard = GRANITE_GUARDIAN.get(question.criterion)
        return Finding(
            criterion=question.criterion,
            score=worst.score,
            label_mass=worst.mass,
            threshold=DEFAULT_THRESHOLD if own is None else own,
            category=None if hazard is None else hazard.value,
            code=None if hazard is None else question.criterion,
        )


def _conversation(check: Check) -> tuple[Segment, ...]:
    context, judged = judged_turns(check)
    segments = [Segment(f"<|start_of_role|>system<|end_of_role|>{_SYSTEM}<|end_of_text|>\n", trusted=True)]
    for message in (*context, judged):
        last = message is judged
        segments += [
            Segment(f"<|start_of_role|>{_ROLES[message.role]}<|end_of_role|>", trusted=True),
            Segment(message.text, splittable=last, elastic=not last),
            Segment("<|end_of_text|>\n", trusted=True),
        ]
    return tuple(segments)
