"""What of a policy a family of judges can't honour."""

from serving.judging.conversation import Check
from serving.judging.hazards import Hazard
from serving.judging.policy import ENFORCED, Policy
from serving.judging.templates.base import Template


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
    blocked = [stage for stage in ENFORCED if not template.questions(Check(stage, ()), policy)]
    return [
        *found,
        *(
            f"the judge knows nothing of what the policy asks at stage {stage}: all is blocked"
            for stage in blocked
        ),
    ]
