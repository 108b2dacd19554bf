"""The texts that stand in for an answer that may not leave, in the reader's language."""

from serving.judging.verdict import Outcome

LANGUAGES = ("en", "fr", "ar", "ary")

_FLAGGED = {
    "en": "This answer was withheld because it goes against the usage policy.",
    "fr": "Cette réponse a été retenue, car elle est contraire à la politique d'utilisation.",
    "ar": "تم حجب هذه الإجابة لأنها تخالف سياسة الاستخدام.",
    "ary": "هاد الجواب تحبس حيت ماكيوافقش سياسة الاستعمال.",
}
_UNDECIDED = {
    "en": "This answer was withheld because it could not be checked. Please try again later.",
    "fr": "Cette réponse a été retenue, car elle n'a pas pu être vérifiée. Veuillez réessayer plus tard.",
    "ar": "تم حجب هذه الإجابة لتعذّر التحقق منها. يرجى المحاولة لاحقًا.",
    "ary": "هاد الجواب تحبس حيت ما قدرناش نتحققو منو. عاود جرب من بعد.",
}


def refusal_text(outcome: Outcome, accept_language: str | None) -> str:
    """What the reader sees instead of the answer."""
    texts = _FLAGGED if outcome is Outcome.FLAGGED else _UNDECIDED
    return texts[preferred_language(accept_language)]


def preferred_language(accept_language: str | None) -> str:
    """The best of `LANGUAGES` for an Accept-Language header (RFC 9110, 12.5.4); English without one."""
    best, best_weight = "en", 0.0
    for entry in (accept_language or "")[:1000].split(","):
        tag, _, parameter = entry.strip().partition(";")
        language = tag.strip().lower()
        language = "ary" if language in {"ar-ma", "ary"} else language.split("-", 1)[0]
        weight = _weight(parameter)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
