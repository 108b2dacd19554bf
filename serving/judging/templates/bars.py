"""How strictly a policy takes what a family asks about: one bar for each category or rule."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serving.judging.conversation import Stage
from serving.judging.hazard_rules import HazardRule
from serving.judging.hazards import DESCRIPTIONS, Category, Hazard
from serving.judging.policy import Policy

DEFAULT = 0.5


@dataclass(frozen=True, slots=True)
class Bar:
    """The probability that violates, and whether that blocks or is only reported."""

    threshold: float = DEFAULT
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class WordedRule:
    """A hazard or a free-text criterion for judges that read rules in words."""

    id: str
    description: str
    bar: Bar
    hazard: Hazard | None = None


def bars(policy: Policy, stage: Stage, categories: Iterable[Category]) -> dict[Category, Bar]:
    """The categories that the policy asks about at a stage, each with its bar.

    A stage without hazards is judged by all categories, under the criteria's thresholds. A category that
    covers several hazards of the policy has the strictest of their bars; `harm` stands for every hazard that
    is not named by itself.
    """
    rules = policy.hazards_at(stage)
    if not rules:
        return {category: Bar(_of_criteria(policy, stage, category)) for category in categories}
    found = {}
    for category in categories:
        own = [rules[hazard] for hazard in category.hazards if hazard in rules]
        if not own and Hazard.ANY in rules:
            own = [rules[Hazard.ANY]]
        if own:
            found[category] = strictest(own, stage, DEFAULT)
    return found


def strictest(rules: Sequence[HazardRule], stage: Stage, default: float) -> Bar:
    """One bar for several rules: the least threshold of those that block, else of those that flag."""
    blocking = [rule for rule in rules if rule.blocks]
    thresholds = [rule.threshold_at(stage) for rule in blocking or rules]
    return Bar(min(default if own is None else own for own in thresholds), bool(blocking))


def one_bar(policy: Policy, stage: Stage, default: float) -> Bar:
    """The bar of a judge with one score for everything: the least threshold of the policy's rules, where one
    without a threshold of its own has the judge's (`default`).

    What only flags counts where nothing blocks.
    """
    rules = list(policy.hazards_at(stage).values())
    criteria = [own.threshold for own in policy.criteria_for(stage)]
    if rules and not criteria and not any(rule.blocks for rule in rules):
        return strictest(rules, stage, default)
    stated = [rule.threshold_at(stage) for rule in rules if rule.blocks] + criteria
    return Bar(min((default if own is None else own for own in stated), default=default))


def worded_rules(policy: Policy, stage: Stage) -> tuple[WordedRule, ...]:
    """Everything the policy asks at a stage, in words: hazards first, then its criteria."""
    hazards = tuple(
        WordedRule(hazard.value, DESCRIPTIONS[hazard], strictest([rule], stage, DEFAULT), hazard)
        for hazard, rule in policy.hazards_at(stage).items()
    )
    criteria = tuple(
        WordedRule(own.id, own.description.strip(), Bar(DEFAULT if own.threshold is None else own.threshold))
        for own in policy.criteria_for(stage)
    )
    return hazards + criteria


def worded_rule(policy: Policy, stage: Stage, id: str) -> WordedRule:  # noqa: A002  the rule's own name
    return next(rule for rule in worded_rules(policy, stage) if rule.id == id)


def _of_criteria(policy: Policy, stage: Stage, category: Category) -> float:
    """Of the criterion named like the category's hazard, else the least that the stage's criteria set."""
    stated = {
        own.id: DEFAULT if own.threshold is None else own.threshold for own in policy.criteria_for(stage)
    }
    return stated.get(category.hazard.value, min(stated.values(), default=DEFAULT))
