"""Which hazard a row speaks of, in one vocabulary for all sources: the labels of a second task."""

from models.training.rows import Row

HAZARDS = (
    "confidential_data",
    "cybercrime",
    "defamation",
    "elections_disinformation",
    "harassment",
    "hate",
    "indiscriminate_weapons",
    "industrial_safety",
    "jailbreak",
    "non_violent_crimes",
    "privacy",
    "sex_crimes",
    "sexual_content",
    "specialized_advice",
    "suicide_and_self_harm",
    "threat",
    "violent_crimes",
)

_OF_PUBLIC_SETS = {
    "offensive": "harassment",
    "Illegal Activity": "non_violent_crimes",
    "Child Abuse": "sex_crimes",
    "Hate/Harass/Violence": "hate",
    "Malware Viruses": "cybercrime",
    "Physical Harm": "violent_crimes",
    "Economic Harm": "non_violent_crimes",
    "Fraud/Deception": "non_violent_crimes",
    "Adult Content": "sexual_content",
    "Political Campaigning": "elections_disinformation",
    "Privacy Violation Activity": "privacy",
    "Tailored Financial Advice": "specialized_advice",
    "cybercrime_intrusion": "cybercrime",
    "chemical_biological": "indiscriminate_weapons",
    "misinformation_disinformation": "elections_disinformation",
    "illegal": "non_violent_crimes",
}


def hazard_of(row: Row) -> str | None:
    """The hazard of an unsafe row; None where it is safe or its source names none of ours."""
    if row.label != "unsafe":
        return None
    if row.file.startswith("injection-"):
        return "jailbreak"
    named = _OF_PUBLIC_SETS.get(row.category or "", row.category)
    return named if named in HAZARDS else None
