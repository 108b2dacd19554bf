"""Refusals in the reader's language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.judging.verdict import Outcome
from serving.refusals import LANGUAGES, preferred_language, refusal_text


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("fr", "fr"),
        ("FR-ca", "fr"),
        ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("en;q=0.2, fr;q=0.9", "fr"),
        ("en;q=0.2,fr;Q=0.1", "en"),
        ("ar", "ar"),
        ("ar-EG", "ar"),
        ("ar-MA", "ary"),
        ("ary", "ary"),
        ("ar-MA;q=0.5, ar;q=0.6", "ar"),
        ("de, es", "en"),
        ("de, fr;q=0.1", "fr"),
        ("*", "en"),
        ("fr;q=0", "en"),
        ("fr;q=0, ar;q=0.001", "ar"),
        ("fr;q=7", "en"),
        ("fr;q=-1", "en"),
        ("fr;q=nan", "en"),
        ("fr;q=inf", "en"),
        ("fr;q=x", "en"),
        ("fr;q=", "en"),
        ("fr ; q = 0.5", "fr"),
        (",,;;,", "en"),
        ("x" * 2000 + ",fr", "en"),
    ],
)
def test_accept_language(header: str | None, language: str) -> None:
    assert preferred_language(header) == language


@given(st.text())
def test_any_header_names_a_language(header: str) -> None:
    assert preferred_language(header) in LANGUAGES


def test_every_text_is_its_own() -> None:
    texts = {
        refusal_text(outcome, language)
        for outcome in (Outcome.FLAGGED, Outcome.UNDECIDED)
        for language in ("en", "fr", "ar", "ar-MA")
    }
    assert len(texts) == 8
