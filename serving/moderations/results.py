"""A verdict in the form of OpenAI's moderation results."""

from typing import Any

from serving.judging.judgement import Judgement
from serving.judging.policy import Policy
from serving.judging.verdict import Outcome, Verdict
from serving.moderations.categories import CATEGORIES, openai_categories


def result_of(verdict: Verdict, policy: Policy) -> dict[str, Any]:
    """The result on one text.

    OpenAI's categories are all there, since its SDKs read them as booleans and numbers; after them come the
    policy's and the judge's own. `scored_categories` are those of OpenAI's that the judge has a score for:
    the others are false and 0 because something must stand there.
    """
    judgement = Judgement(policy, verdict)
    judgement.count(verdict)
    flags = dict.fromkeys(CATEGORIES, False)
    scores = dict.fromkeys(CATEGORIES, 0.0)
    scored = set()
    for finding in verdict.findings:
        own = finding.category or finding.criterion
        for name in {own, *openai_categories(finding)}:
            flags[name] = flags.get(name, False) or finding.flagged
            scores[name] = max(scores.get(name, 0.0), finding.score)
            scored.add(name)
    return {
        "flagged": verdict.outcome is Outcome.FLAGGED,
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in flags},
        "scored_categories": [name for name in CATEGORIES if name in scored],
        "judgement": judgement.public(),
    }
