"""The rows that only measure: well-formed, balanced, and in no file that training reads."""

from collections import Counter

from models.training import lexicon as lexicons
from models.training.cli import OWN_DATA
from models.training.mix import data_files
from models.training.rows import read_rows
from tests.models.training.test_data import normalised

FOLDER = lexicons.FOLDER.parent / "evaluation"
ROWS = {path.stem: list(read_rows(path)) for path in sorted(FOLDER.glob("*.jsonl"))}


def test_look_alikes_are_of_ten_kinds_in_four_languages() -> None:
    counts = Counter((row.lang, row.label) for row in ROWS["lookalikes"])
    assert counts == {
        ("en", "safe"): 120,
        ("en", "unsafe"): 80,
        **{(lang, label): 40 for lang in ("fr", "ar", "ary") for label in ("safe", "unsafe")},
    }
    assert {row.kind for row in ROWS["lookalikes"]} == {"prompt"}
    kinds = Counter((row.category or "").removeprefix("contrast_") for row in ROWS["lookalikes"])
    assert len(kinds) == 10


def test_moderation_texts_are_half_harmful() -> None:
    rows = ROWS["moderation-en"]
    assert {(row.kind, row.lang) for row in rows} == {("comment", "en")}
    assert sum(row.label == "unsafe" for row in rows) * 2 == len(rows)


def test_comments_are_half_harmful_in_three_languages() -> None:
    rows = ROWS["comments"]
    assert {row.kind for row in rows} == {"comment"}
    counts = Counter((row.lang, row.label) for row in rows)
    assert counts == {(lang, label): 60 for lang in ("fr", "ar", "ary") for label in ("safe", "unsafe")}


def test_long_prompts_hide_something_in_a_document_that_stands_there_without_it() -> None:
    rows = ROWS["long-prompts"]
    assert {row.kind for row in rows} == {"prompt"}
    assert {row.lang for row in rows} == {"en", "fr", "ar", "ary"}
    harmless = [row.text.split() for row in rows if row.label == "safe"]
    hidden = [row.text.split() for row in rows if row.label == "unsafe"]
    assert len(harmless) == len(hidden) == 64
    assert all(len(words) > 190 for words in harmless)
    for words in hidden:
        beside = max(len(set(words) & set(other)) for other in harmless)
        assert beside > 0.9 * len(set(words)) - 30


def test_no_document_of_long_prompts_is_trained_on() -> None:
    trained = [row.text.split() for path in data_files(OWN_DATA) for row in read_rows(path)]
    runs = {" ".join(words[at : at + 12]) for words in trained for at in range(len(words) - 11)}
    for row in ROWS["long-prompts"]:
        words = row.text.split()
        assert not any(" ".join(words[at : at + 12]) in runs for at in range(len(words) - 11)), row.id


def test_texts_and_ids_are_unique_and_never_trained_on() -> None:
    rows = [row for some in ROWS.values() for row in some]
    assert len({row.id for row in rows}) == len(rows)
    texts = {normalised(row.text) for row in rows}
    assert len(texts) == len(rows)
    trained = {normalised(row.text) for path in data_files(OWN_DATA) for row in read_rows(path)}
    assert not texts & trained
    sentences = {
        normalised(sentence)
        for path in lexicons.FOLDER.glob("*.yaml")
        for sentence in lexicons.load_lexicon(path.stem).harmless_sentences
    }
    assert not texts & sentences


def test_no_recipe_reads_them() -> None:
    recipes = lexicons.FOLDER.parent / "recipes"
    read = " ".join(path.read_text(encoding="utf-8") for path in recipes.rglob("*.yaml"))
    assert FOLDER not in OWN_DATA
    assert not any(f"file: {name}," in read for name in ROWS)


def test_the_readme_counts_them() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, rows in ROWS.items():
        harmless = sum(row.label == "safe" for row in rows)
        what = "prompts" if rows[0].kind == "prompt" else "texts"
        assert f"| `{name}` | {len(rows)} {what}, {harmless} harmless" in readme
    assert sorted(ROWS) == ["comments", "long-prompts", "lookalikes", "moderation-en"]
