"""JSON's escapes are undone for the judge, whatever surrounds them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.judging.readable import readable

printable = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='"\\'))


@given(printable)
def test_escaped_text_reads_as_what_it_says(text: str) -> None:
    spelled = "".join(f"\\u{unit:04x}" for unit in _units(text))
    assert readable(spelled) == text
    assert readable(f'{{"a": "{spelled}"}}') == json.dumps({"a": text}, ensure_ascii=False)


def _units(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


@given(st.text(st.characters(exclude_characters="\\")))
def test_text_without_escapes_stays(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    "text", [r"\u006", r"\u", r"\\", r"\n", r"\u0000", r"\ud800", r"\udc00\ud800", r"\u001b"]
)
def test_what_is_no_character_stays(text: str) -> None:
    assert readable(text) == text


def test_a_pair_is_one_character() -> None:
    assert readable(r"\ud83d\ude00") == "😀"
