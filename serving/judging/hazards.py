"""One hazard taxonomy for all judges: MLCommons' AILuminate hazards, with each family's own codes beside it.

Source: Ghosh et al., "AILuminate: Introducing v1.0 of the AI Risk and Reliability Benchmark from MLCommons"
(arXiv 2503.05731). Llama Guard's S-codes follow it, with elections and code-interpreter abuse added.
"""

from enum import StrEnum


class Hazard(StrEnum):
    """MLCommons' hazards, and the few that judge families add."""

    VIOLENT_CRIMES = "violent_crimes"
    NON_VIOLENT_CRIMES = "non_violent_crimes"
    SEX_CRIMES = "sex_crimes"
    CHILD_EXPLOITATION = "child_sexual_exploitation"
    DEFAMATION = "defamation"
    SPECIALIZED_ADVICE = "specialized_advice"
    PRIVACY = "privacy"
    INTELLECTUAL_PROPERTY = "intellectual_property"
    INDISCRIMINATE_WEAPONS = "indiscriminate_weapons"
    HATE = "hate"
    SELF_HARM = "suicide_and_self_harm"
    SEXUAL_CONTENT = "sexual_content"
    ELECTIONS = "elections"
    CODE_INTERPRETER_ABUSE = "code_interpreter_abuse"
    HARASSMENT = "harassment"
    PROFANITY = "profanity"
    JAILBREAK = "jailbreak"
    UNETHICAL = "unethical_acts"
    POLITICAL = "politically_sensitive"
    ANY = "harm"


LLAMA_GUARD = {
    "S1": Hazard.VIOLENT_CRIMES,
    "S2": Hazard.NON_VIOLENT_CRIMES,
    "S3": Hazard.SEX_CRIMES,
    "S4": Hazard.CHILD_EXPLOITATION,
    "S5": Hazard.DEFAMATION,
    "S6": Hazard.SPECIALIZED_ADVICE,
    "S7": Hazard.PRIVACY,
    "S8": Hazard.INTELLECTUAL_PROPERTY,
    "S9": Hazard.INDISCRIMINATE_WEAPONS,
    "S10": Hazard.HATE,
    "S11": Hazard.SELF_HARM,
    "S12": Hazard.SEXUAL_CONTENT,
    "S13": Hazard.ELECTIONS,
    "S14": Hazard.CODE_INTERPRETER_ABUSE,
}

GRANITE_GUARDIAN = {
    "harm": Hazard.ANY,
    "social_bias": Hazard.HATE,
    "jailbreak": Hazard.JAILBREAK,
    "profanity": Hazard.PROFANITY,
    "sexual_content": Hazard.SEXUAL_CONTENT,
    "unethical_behavior": Hazard.UNETHICAL,
    "violence": Hazard.VIOLENT_CRIMES,
}

SHIELDGEMMA = {
    "dangerous": Hazard.VIOLENT_CRIMES,
    "harassment": Hazard.HARASSMENT,
    "hate": Hazard.HATE,
    "sexual": Hazard.SEXUAL_CONTENT,
}

QWEN3GUARD = {
    "Violent": Hazard.VIOLENT_CRIMES,
    "Non-violent Illegal Acts": Hazard.NON_VIOLENT_CRIMES,
    "Sexual Content or Sexual Acts": Hazard.SEXUAL_CONTENT,
    "PII": Hazard.PRIVACY,
    "Suicide & Self-Harm": Hazard.SELF_HARM,
    "Unethical Acts": Hazard.UNETHICAL,
    "Politically Sensitive Topics": Hazard.POLITICAL,
    "Copyright Violation": Hazard.INTELLECTUAL_PROPERTY,
    "Jailbreak": Hazard.JAILBREAK,
}
