"""Thresholds of the families that ask about their own taxonomy rather than a policy's criteria."""

from serving.judging.policy import Policy

DEFAULT = 0.5


def strictest(policy: Policy, criterion: str, default: float = DEFAULT) -> float:
    """The threshold of the policy's criterion with this id; else the least one that the policy sets.

    A policy that names a hazard can thus set it on its own, and one that only says how strict it is overall
    is obeyed too.
    """
    for own in policy.criteria:
        if own.id == criterion and own.threshold is not None:
            return own.threshold
    stated = [own.threshold for own in policy.criteria if own.threshold is not None]
    return min(stated, default=default)
