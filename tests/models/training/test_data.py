"""The project's own judge training data: schema, uniqueness, balance, and the README's table."""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, model_validator

FOLDER = Path(__file__).parents[3] / "models" / "training" / "data"
FILES = sorted(FOLDER.glob("*.jsonl"))
LANGUAGES = ("en", "fr", "ar", "ary")
HAZARDS = {
    "violent_crimes",
    "indiscriminate_weapons",
    "non_violent_crimes",
    "cybercrime",
    "industrial_safety",
    "confidential_data",
    "privacy",
    "hate",
    "harassment",
    "threat",
    "sex_crimes",
    "sexual_content",
    "suicide_and_self_harm",
    "elections_disinformation",
    "defamation",
    "specialized_advice",
    "jailbreak",
}
ARABIC = re.compile(r"[\u0621-\u064A]")
LATIN = re.compile(r"[A-Za-z]")


class Row(BaseModel):
    """One example, as the trainer reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    source: Literal["mizan"]
    lang: Literal["en", "fr", "ar", "ary"]
    kind: Literal["prompt", "response", "comment"]
    text: str
    label: Literal["safe", "unsafe"]
    category: str
    prompt: str | None = None

    @model_validator(mode="after")
    def a_response_has_a_prompt_and_nothing_else_has(self) -> "Row":
        if (self.kind == "response") != bool(self.prompt):
            raise ValueError(f"{self.id}: kind {self.kind}, prompt {self.prompt!r}")
        return self


def rows_of(path: Path) -> list[Row]:
    return [Row.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


ROWS = {path.stem: rows_of(path) for path in FILES}
ALL = [row for rows in ROWS.values() for row in rows]


def normalised(text: str) -> str:
    """Letters and digits only, without case, accents or Arabic vowel signs."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if c.isalnum())


def table() -> str:
    """Rows per file, label and language, as the README shows them."""
    lines = ["| file | kind | label | en | fr | ar | ary | all |", "|---|---|---|---|---|---|---|---|"]
    for stem, rows in ROWS.items():
        for label in ("safe", "unsafe"):
            of_label = [row for row in rows if row.label == label]
            if not of_label:
                continue
            by_language = Counter[str](row.lang for row in of_label)
            counts = " | ".join(str(by_language[lang]) for lang in LANGUAGES)
            lines.append(f"| {stem} | {of_label[0].kind} | {label} | {counts} | {len(of_label)} |")
    totals = Counter[str](row.lang for row in ALL)
    counts = " | ".join(str(totals[lang]) for lang in LANGUAGES)
    lines.append(f"| all | | | {counts} | {len(ALL)} |")
    return "\n".join(lines)


def test_the_seven_files_are_there() -> None:
    assert set(ROWS) == {
        "answers",
        "documents",
        "everyday-prompts",
        "harmful-prompts",
        "harmless-comments",
        "lookalike-prompts",
        "offensive-comments",
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_lines_are_plain_json_in_a_stable_form(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        assert line == json.dumps(json.loads(line), ensure_ascii=False)


def test_ids_are_unique_and_name_their_file_and_language() -> None:
    assert len({row.id for row in ALL}) == len(ALL)
    for stem, rows in ROWS.items():
        for row in rows:
            assert row.id.startswith(f"mizan-{stem}-{row.lang}-"), row.id


def test_no_text_appears_twice() -> None:
    first: dict[str, str] = {}
    for row in ALL:
        # The same words may answer two prompts; nothing else repeats.
        key = normalised(row.text) + "\0" + normalised(row.prompt or "")
        assert key not in first, (row.id, first[key], row.text)
        first[key] = row.id
    free_text = [normalised(row.text) for row in ALL if row.kind != "response"]
    assert len(set(free_text)) == len(free_text)


def test_texts_are_clean() -> None:
    for row in ALL:
        for text in filter(None, (row.text, row.prompt)):
            assert text == text.strip()
            assert text == unicodedata.normalize("NFC", text), row.id
            assert not any(unicodedata.category(c) in {"Cc", "Cf", "Co"} and c != "\n" for c in text), row.id
            assert len(text) <= (4000 if row.id.startswith("mizan-documents-") else 1500), row.id


def test_an_unsafe_row_has_a_hazard_and_a_safe_row_a_topic() -> None:
    for row in ALL:
        assert (row.label == "unsafe") == (row.category in HAZARDS), row.id


def test_every_hazard_is_explained_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {row.category for row in ALL if row.label == "unsafe"} == HAZARDS
    for hazard in HAZARDS:
        assert f"`{hazard}`" in readme


@pytest.mark.parametrize("kind", ["prompt", "response", "comment"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_language_and_kind_has_both_labels(lang: str, kind: str) -> None:
    labels = Counter(row.label for row in ALL if row.lang == lang and row.kind == kind)
    assert min(labels["safe"], labels["unsafe"]) >= 40, labels
    # Harmless prompts outnumber harmful ones on purpose; comments and answers are near parity.
    limit = 4.0 if kind == "prompt" else 1.6
    assert max(labels.values()) / min(labels.values()) <= limit, labels


@pytest.mark.parametrize("stem", sorted(ROWS))
def test_darija_is_written_in_both_scripts(stem: str) -> None:
    darija = [row for row in ROWS[stem] if row.lang == "ary"]
    latin = sum(not ARABIC.search(row.text) for row in darija)
    # Comments in Arabic script are what the public sets lack most.
    assert 0.15 <= latin / len(darija) <= 0.75, latin / len(darija)


def test_no_word_mixes_arabic_and_latin_letters() -> None:
    for row in ALL:
        for word in re.findall(r"\w+", row.text):
            assert not (ARABIC.search(word) and LATIN.search(word)), (row.id, word)


def test_an_answer_is_also_judged_while_it_grows() -> None:
    answers = ROWS["answers"]
    for label in ("safe", "unsafe"):
        unfinished = [a for a in answers if a.label == label and a.text[-1].isalpha()]
        assert len(unfinished) >= 20, (label, len(unfinished))


def test_the_readme_shows_the_counts_of_the_files() -> None:
    assert table() in (FOLDER / "README.md").read_text(encoding="utf-8"), "\n" + table()
