"""The lexicon of Darija, and the comments that training composes of it."""

import json
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from models.training import lexicon as lexicons
from models.training.cli import STAGES
from models.training.examples import Example
from models.training.format import Kind
from models.training.lexicon import Lexicon, LexiconError, Role, compose, load_lexicon
from models.training.mix import Split, epoch
from models.training.recipe import FromLexicon, Recipe, Share, load_recipe
from models.training.rows import Row
from models.training.shuffling import shuffler

ADAPTER = lexicons.FOLDER.parent / "adapter"
NAMES = sorted(path.stem for path in lexicons.FOLDER.glob("*.yaml"))
DARIJA = load_lexicon("darija")
ROLES = [role for name in NAMES for role in load_lexicon(name).roles]
SMALL = Lexicon(
    lang="ary",
    roles=(
        Role(
            name="r",
            category="harassment",
            carriers=("نتا {x} وصافي",),
            harmful=("حمار",),
            harmless=("أستاذ",),
        ),
    ),
    harmless_sentences=("الحمار حيوان صبور",),
)


@pytest.mark.parametrize("name", NAMES)
def test_no_word_is_both_harmful_and_harmless(name: str) -> None:
    lexicon = load_lexicon(name)
    harmful = {word for role in lexicon.roles for word in role.harmful}
    assert not harmful & {word for role in lexicon.roles for word in role.harmless}


@pytest.mark.parametrize("name", NAMES)
def test_a_lexicon_is_written_in_one_script(name: str) -> None:
    lexicon = load_lexicon(name)
    words = [word for role in lexicon.roles for word in (*role.harmful, *role.harmless)]
    arabic = {any("\u0621" <= letter <= "\u064a" for letter in word) for word in words}
    assert len(arabic) == 1


def test_every_role_has_about_as_many_harmless_words_as_harmful_ones() -> None:
    for role in ROLES:
        assert len(role.harmless) >= 0.6 * len(role.harmful), role.name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_words_are_written_once_and_clean(role: Role) -> None:
    for words in (role.carriers, role.harmful, role.harmless):
        assert len(set(words)) == len(words)
        for word in words:
            assert word == word.strip()
            assert word == unicodedata.normalize("NFC", word)
            assert not any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in word), word


def test_names_of_peoples_and_religions_are_never_harmful_by_themselves() -> None:
    peoples = {"يهودي", "يهود", "أمازيغي", "صحراوي", "جزائري", "سنيغالي", "مسلم", "نصراني", "أسود", "ريفي"}
    peoples |= {
        "juif",
        "juifs",
        "arabe",
        "musulman",
        "noir",
        "rom",
        "gay",
        "trans",
        "lesbienne",
        "migrant",
        "handicapé",
    }
    for lexicon in map(load_lexicon, NAMES):
        if lexicon.kind is Kind.TEXT:
            assert not peoples & {word for role in lexicon.roles for word in role.harmful}


def test_a_lexicon_of_requests_composes_requests_and_names_their_hazards() -> None:
    near = ["Where is the canteen?", "أين المطعم؟"]
    requests = compose(load_lexicon("requests-en"), 400, 0.3, near, shuffler(1))
    assert {request.kind for request in requests} == {Kind.REQUEST}
    assert all(request.hazard is None for request in requests if not request.unsafe)
    assert all(request.hazard for request in requests if request.unsafe)
    assert not any("أين" in request.text for request in requests)
    beside = [request.text for request in requests if near[0] in request.text]
    assert 60 < len(beside) < 180
    assert all(len(text) > len(near[0]) + 8 for text in beside)


def test_half_of_the_comments_are_harmful_and_few_are_alike() -> None:
    comments = compose(DARIJA, 4000, 0.0, [], shuffler(1))
    assert sum(comment.unsafe for comment in comments) == 2000
    assert {comment.kind for comment in comments} == {Kind.TEXT}
    assert {comment.lang for comment in comments} == {"ary"}
    assert all("{x}" not in comment.text for comment in comments)
    assert len({comment.text for comment in comments}) > 3000


def test_every_word_comes_equally_often() -> None:
    role = SMALL.roles[0].model_copy(update={"harmful": ("كلب", "زبل"), "harmless": ("جار", "طفل", "عم")})
    lexicon = Lexicon(lang="ary", roles=(role,))
    texts = Counter(comment.text for comment in compose(lexicon, 120, 0.0, [], shuffler(4)))
    assert set(texts.values()) == {30, 20}
    assert len(texts) == 5


def test_the_label_is_that_of_the_word() -> None:
    for comment in compose(SMALL, 60, 0.0, [], shuffler(2)):
        assert comment.text == "الحمار حيوان صبور" or comment.text.startswith("نتا ")
        insults = comment.text.startswith("نتا ") and "حم" in comment.text.replace("حح", "ح")
        assert comment.unsafe == insults


def test_a_word_beside_a_harmless_comment_keeps_its_label_and_its_script() -> None:
    around = ["lmatch kan zwin", "الماتش كان زوين", "ط" * 500]
    beside = [c for c in compose(SMALL, 60, 1.0, around, shuffler(3)) if "صبور" not in c.text]
    assert beside
    for comment in beside:
        assert "الماتش كان زوين" in comment.text
        assert "lmatch" not in comment.text


def test_the_same_seed_composes_the_same() -> None:
    def texts(seed: int) -> list[Example]:
        return compose(DARIJA, 200, 0.4, ["السلام عليكم"], shuffler(seed))

    assert texts(5) == texts(5)
    assert texts(5) != texts(6)


def test_an_epoch_composes_what_the_recipe_asks_for_and_uses_training_rows_only() -> None:
    kept = Row(id="a", lang="ary", kind="comment", text="الجو زوين اليوم", label="safe", file="mine")
    held_out = Row(id="b", lang="ary", kind="comment", text="هادا للقياس فقط", label="safe", file="mine")
    recipe = Recipe(
        name="r",
        mix=(Share(file="mine", rows=1),),
        lexicons=(FromLexicon(name="darija", rows=300, beside=0.9),),
        typing=0,
        as_text=0,
        embedding=0,
    )
    examples = epoch(Split(train=(kept,), development=(held_out,), measuring=()), recipe, 0)
    assert len(examples) == 301
    assert any("الجو زوين اليوم" in e.text and e.file == "lexicon" for e in examples)
    assert not any("هادا للقياس فقط" in e.text for e in examples)


def test_a_recipe_without_lexicons_keeps_its_digest() -> None:
    record = json.loads((ADAPTER / "training.json").read_text(encoding="utf-8"))
    while record.get("recipe", {}).get("name") != "mizan-second":
        record = record.get("started_from") or record["average_of"][-1]
    second = record  # trained before there were lexicons
    assert load_recipe(STAGES[1]).digest == second["recipe_digest"]
    plain = Recipe(name="r", mix=(Share(file="mine", rows=1),))
    with_one = Recipe(name="r", mix=plain.mix, lexicons=(FromLexicon(name="darija", rows=2),))
    assert plain.digest != with_one.digest


def test_a_missing_or_wrong_lexicon_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicons, "FOLDER", tmp_path)
    with pytest.raises(LexiconError, match=r"none\.yaml"):
        load_lexicon("none")
    (tmp_path / "wrong.yaml").write_text(
        "lang: ary\nroles: [{name: r, category: hate, carriers: [no slot], harmful: [a], harmless: [b]}]",
        encoding="utf-8",
    )
    with pytest.raises(LexiconError, match="carriers"):
        load_lexicon("wrong")
