"""Which of OpenAI's moderation categories a finding speaks of.

Sources: the OpenAI API reference, `POST /v1/moderations`, for the categories and what they mean; Ghosh et al.
(arXiv 2503.05731) for the hazards; the families' model cards. docs/api.md shows the same table.
"""

from collections.abc import Mapping

from serving.judging.hazards import Hazard
from serving.judging.verdict import Finding

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""All that OpenAI's SDKs expect in every result."""

OF_HAZARD: Mapping[str, tuple[str, ...]] = {
    Hazard.VIOLENT_CRIMES: ("illicit", "illicit/violent", "violence"),
    Hazard.NON_VIOLENT_CRIMES: ("illicit",),
    Hazard.SEX_CRIMES: ("illicit",),
    Hazard.CHILD_EXPLOITATION: ("sexual", "sexual/minors"),
    Hazard.INDISCRIMINATE_WEAPONS: ("illicit", "illicit/violent"),
    Hazard.HATE: ("hate",),
    Hazard.SELF_HARM: ("self-harm",),
    Hazard.SEXUAL_CONTENT: ("sexual",),
    Hazard.HARASSMENT: ("harassment",),
}
"""Categories that hold the greater part of a hazard, and those above them.

No hazard tells apart who threatens from who insults, who intends from who instructs, or what is graphic:
nothing leads to those categories. Hazards that are not here have no counterpart.
"""

OF_BROAD_CODE: Mapping[str, tuple[str, ...]] = {
    "dangerous": (),  # ShieldGemma: weapons, terrorism or suicide, it doesn't say which
    "Violent": ("violence",),  # Qwen3Guard: instructions, and depictions too
    "Sexual Content or Sexual Acts": ("sexual",),  # Qwen3Guard: crimes among them, it doesn't say whether
    "Unethical Acts": (),  # Qwen3Guard: hate, insults, lies or swearing, it doesn't say which
    "Politically Sensitive Topics": (),
}
"""By a family's own code, where it covers several hazards and the verdict names only the closest."""


def openai_categories(finding: Finding) -> tuple[str, ...]:
    """The categories that a finding is about; none where the judge can't tell, or where OpenAI has none."""
    broad = OF_BROAD_CODE.get(finding.code or "")
    return OF_HAZARD.get(finding.category or "", ()) if broad is None else broad
