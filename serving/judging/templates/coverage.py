"""What of a policy a family of judges can't honour."""

import math

from serving.judging.conversation import Check, Stage
from serving.judging.hazards import Hazard
from serving.judging.policy import ENFORCED, Policy
from serving.judging.prompt import LabelScores
from serving.judging.templates.base import Reply, Template


def gaps(policy: Policy, template: Template) -> list[str]:
    """A sentence for each part of the policy that this judge does not act on as it stands."""
    scope = template.scope()
    found = []
    if scope.hazards is None:
        if policy.hazards:
            found.append(
                "the judge can't tell hazards apart: it flags harm of any kind, at the smallest threshold"
            )
    else:
        unknown = [hazard.value for hazard in policy.hazards if hazard not in {*scope.hazards, Hazard.ANY}]
        if unknown:
            found.append(f"the judge does not know {', '.join(unknown)}: nothing asks for it")
    worded = [criterion.id for criterion in policy.criteria if criterion.id != Hazard.ANY]
    if worded and not scope.criteria:
        asked = scope.hazards is not None and policy.hazards
        rest = f"nothing asks for {', '.join(worded)}" if asked else "of the criteria only thresholds count"
        found.append(f"the judge reads no free text: {rest}")
    blocked = [stage for stage in ENFORCED if not _decides(policy, template, stage)]
    found += [
        f"the judge knows nothing of what the policy asks at stage {stage}: all is blocked"
        for stage in blocked
    ]
    if not template.questions(Check(Stage.TEXT, ()), policy):
        found.append(f"nothing is asked at stage {Stage.TEXT}: every text at /v1/moderations gets 503")
    return found


def _decides(policy: Policy, template: Template, stage: Stage) -> bool:
    """Whether what the judge is asked at a stage can block there; observing, whether it is asked at all."""
    questions = template.questions(Check(stage, ()), policy)
    if not policy.enforcing:
        return bool(questions)
    replies = [
        Reply(question, LabelScores((dict.fromkeys(question.labels, -math.log(len(question.labels))),)))
        for question in questions
    ]
    return bool(replies) and any(finding.blocks for finding in template.findings(replies, policy))
