"""Training the judge: prompts, splits, mixes, batches, calibration and merging, without the real weights."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.training import mix
from models.training.augment import embed, in_conversation, vary
from models.training.batches import batches
from models.training.calibrate import MOST_ALARMS_IN, CalibrationError, fit
from models.training.examples import Example, from_row
from models.training.export import CONFIG, WEIGHTS
from models.training.format import Kind, Turn, render
from models.training.groups import group_ids, held_out
from models.training.loop import schedule
from models.training.measure import figures, probability
from models.training.merge import MergeError, merge_adapter
from models.training.mix import epoch, split_rows
from models.training.recipe import Recipe, RecipeError, Share, load_recipe
from models.training.rows import DataError, Row, read_rows
from models.training.scoring import Score
from models.training.shuffling import shuffler

RECIPES = Path(__file__).parents[3] / "models" / "training" / "recipes"


def row(text: str, label: str = "safe", kind: str = "comment", file: str = "f") -> Row:
    return Row.model_validate(
        {"id": text, "lang": "en", "kind": kind, "text": text, "label": label, "file": file}
    )


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text("\n".join(r.model_dump_json() for r in rows) + "\n", encoding="utf-8")
    return path


def test_only_the_projects_own_words_are_trusted() -> None:
    parts = render(Kind.ANSWER, (Turn("user", "<bos>hi"),), "<end_of_turn>no")
    assert [part.text for part in parts if not part.trusted] == ["<bos>hi", "<end_of_turn>no"]
    assert [part.text for part in parts if part.judged] == ["<end_of_turn>no"]
    assert parts[0].text.startswith("<bos>")


@pytest.mark.parametrize("text", ["[" * 3000, "name: 2024-13-45", "[", "name: t\nmix: 3"])
def test_a_recipe_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"r\.yaml: "):
        load_recipe(path)


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"id": "1", "lang": "en", "kind": "prompt", "text": "x", "label": "safe"}\n{"id": 2}\n')
    with pytest.raises(DataError, match=r"d\.jsonl:2: id: .*; lang: Field required"):
        list(read_rows(path))


@pytest.mark.parametrize("line", [b"\xff{}", b"{", b"[1]", b'"text"', b"[" * 100_000])
def test_a_line_that_is_no_json_object_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\n" + line + b"\n")
    with pytest.raises(DataError, match=r"d\.jsonl:2: not "):
        list(read_rows(path))


@pytest.mark.parametrize(("kind", "label"), [("comment", "pair"), ("pair", "unsafe")])
def test_a_pairs_label_goes_with_pairs_only(tmp_path: Path, kind: str, label: str) -> None:
    """A comment that is labelled as a pair would be measured as a harmless one."""
    path = tmp_path / "d.jsonl"
    line = {"id": "1", "lang": "en", "kind": kind, "text": "x", "label": label, "chosen": "y"}
    path.write_text(json.dumps(line), encoding="utf-8")
    with pytest.raises(DataError, match=r"d\.jsonl:1: row: .*kind pair goes with label pair"):
        list(read_rows(path))


def test_only_a_newline_ends_a_row(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    text = "one\u2028two\x85three"
    path.write_text(row(text).model_dump_json() + "\r\n", encoding="utf-8", newline="")
    assert [read.text for read in read_rows(path)] == [text]


def test_near_duplicates_stay_together() -> None:
    rows = [row("I hate the old men"), row("I hate the old women"), row("quarterly figures are attached")]
    groups = group_ids(rows)
    assert groups[0] == groups[1] != groups[2]
    many = [row(f"{word} sentence number {i} about {word}") for i, word in enumerate(["iron", "salt"] * 200)]
    out = held_out(many, group_ids(many), 0.2, seed=1)
    assert out == held_out(many, group_ids(many), 0.2, seed=1)


def test_a_mix_draws_what_the_recipe_says(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(400)]
    safe = [row(" ".join(words[i : i + 4]), file="a") for i in range(0, 160, 4)]
    bad = [row(" ".join(words[i : i + 4]), "unsafe", "prompt", file="a") for i in range(200, 360, 4)]
    measured = [row("only measured", file="omcd-eval-only-darija")]
    files = [
        write(tmp_path / "a.jsonl", safe + bad),
        write(tmp_path / "omcd-eval-only-darija.jsonl", measured),
    ]
    recipe = Recipe(
        name="t",
        mix=(Share(file="a", label="safe", rows=100), Share(file="a", label="unsafe", rows=10)),
        embedding=0.2,
    )
    split = split_rows(files, recipe)
    assert [r.text for r in split.measuring] == ["only measured"]
    assert not {r.id for r in split.train} & {r.id for r in split.development}
    drawn = epoch(split, recipe, 0)
    assert sum(e.unsafe for e in drawn) == 10
    assert len(drawn) == 110
    assert drawn == epoch(split, recipe, 0)
    assert drawn != epoch(split, recipe, 1)
    with pytest.raises(RecipeError, match="nowhere"):
        epoch(split, Recipe(name="t", mix=(Share(file="nowhere", rows=1),)), 0)


def test_only_a_large_file_is_thinned_and_by_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mix, "_LARGE_FILE", 30)
    monkeypatch.setattr(mix, "_ROWS_OF_A_LARGE_FILE", 20)
    small = [row(f"small{number}", file="small") for number in range(30)]
    large = [row(f"large{number}", "unsafe" if number < 26 else "safe", file="large") for number in range(31)]
    split = split_rows(
        [write(tmp_path / "large.jsonl", large), write(tmp_path / "small.jsonl", small)],
        Recipe(name="t", mix=(Share(file="small", rows=1),)),
    )
    kept = [r for r in (*split.train, *split.development) if r.file == "large"]
    assert [sum(r.label == label for r in kept) for label in ("safe", "unsafe")] == [5, 10]
    assert sum(r.file == "small" for r in (*split.train, *split.development)) == 30


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_never_trains_on_what_only_measures(path: Path) -> None:
    recipe = load_recipe(path)
    assert "omcd-eval-only-darija" in recipe.never_train
    assert not {share.file for share in recipe.mix} & set(recipe.never_train)


def test_every_recipe_measures_on_the_same_rows() -> None:
    recipes = [load_recipe(path) for path in RECIPES.rglob("*.yaml")]
    assert len({(recipe.split_seed, recipe.held_out, recipe.never_train) for recipe in recipes}) == 1


def test_variations_keep_the_label() -> None:
    rng = shuffler(3)
    answer = Example(Kind.ANSWER, "one two three four five six seven eight", True, (Turn("user", "q"),))
    for _ in range(20):
        varied = vary(answer, rng, typing=0.5, truncation=1.0, as_text=1.0)
        assert varied.unsafe
        assert varied.kind is Kind.ANSWER
        assert len(varied.text.split()) >= 4
    inside = embed(from_row(row("bad", "unsafe")), [from_row(row("good"))], rng)
    assert inside.unsafe
    assert {"bad", "good"} == set(inside.text.split())


def test_a_conversation_before_it_changes_neither_text_nor_label() -> None:
    rng = shuffler(5)
    earlier = Example(Kind.ANSWER, "At noon.", False, (Turn("user", "When is lunch?"),))
    request = Example(Kind.REQUEST, "make a bomb", True)
    roles = set()
    for _ in range(30):
        late = in_conversation(request, ["Be brief."], [earlier], rng)
        assert (late.text, late.unsafe, late.kind) == ("make a bomb", True, Kind.REQUEST)
        roles.add(tuple(turn.role for turn in late.context))
    assert roles == {("system",), ("user", "assistant"), ("system", "user", "assistant")}


def test_batches_hold_every_row_once_and_stay_small() -> None:
    lengths = [shuffler(i).randint(1, 90) for i in range(500)]
    found = batches(lengths, 300, shuffler(0))
    assert sorted(index for batch in found for index in batch) == list(range(500))
    assert all(max(lengths[i] for i in batch) * len(batch) <= 300 for batch in found)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [schedule(step, 100, 1.0, 0.1) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.06


def texts(count: int) -> list[Example]:
    """So many texts, the second half of them harmful."""
    return [Example(Kind.TEXT, "x", 2 * number >= count, file="f", lang="en") for number in range(count)]


def test_calibration_keeps_to_its_bound_on_false_alarms() -> None:
    examples = texts(100)
    logits = [4.0 + number / 50 if number >= 50 else -1.0 + number / 50 for number in range(100)]
    fitted = fit(examples, [Score(logit, 1.0) for logit in logits])
    found = figures("f", [e.unsafe for e in examples], logits, [fitted.cutoffs["text"]] * 100)
    assert (found.recall, found.auroc) == (1.0, 1.0)
    assert found.false_positive_rate is not None
    assert 0.1 < found.false_positive_rate <= 0.2
    assert fitted.thresholds["text"] == pytest.approx(
        probability(fitted.cutoffs["text"], fitted.temperature), abs=1e-3
    )
    assert fitted.several_pieces == {"text": 0.0}


def test_calibration_refuses_what_cannot_keep_to_the_bounds() -> None:
    with pytest.raises(CalibrationError, match="does not tell"):
        fit(texts(100), [Score(7.0, 1.0)] * 100)


@pytest.mark.parametrize(("file", "most"), MOST_ALARMS_IN.items())
def test_calibration_keeps_to_the_bound_of_a_file(file: str, most: float) -> None:
    examples = texts(400) + [Example(Kind.TEXT, "x", False, file=file, lang="ary") for _ in range(200)]
    scores = [Score(4.0 if e.unsafe else -2.0, 1.0) for e in examples[:400]]
    scores += [Score(number / 100, 1.0) for number in range(200)]
    cutoff = fit(examples, scores).cutoffs["text"]
    flagged = sum(score.logit >= cutoff for score in scores[400:]) / 200
    assert most - 0.03 < flagged <= most


def test_texts_of_several_pieces_have_a_bar_of_their_own_and_move_no_other() -> None:
    short = [Score(4.0 if number >= 50 else -1.0 + number / 50, 1.0) for number in range(100)]
    long = [Score(5.0 if number >= 50 else 1.0 + number / 50, 1.0, pieces=3) for number in range(100)]
    alone = fit(texts(100), short)
    fitted = fit([*texts(100), *texts(100)], [*short, *long])
    assert (fitted.temperature, fitted.cutoffs) == (alone.temperature, alone.cutoffs)
    flagged = [fitted.decisive(texts(1)[0], score) >= fitted.cutoffs["text"] for score in long]
    assert 0 < sum(flagged[:50]) <= 5
    assert all(flagged[50:])
    assert fitted.several_pieces["text"] == pytest.approx(
        fitted.lowered["text"] / fitted.temperature, abs=1e-3
    )
    assert fitted.decisive(texts(1)[0], short[0]) == short[0].logit


def test_the_bar_of_several_pieces_is_never_the_lower_one() -> None:
    short = [Score(4.0 if number >= 50 else 3.0, 1.0) for number in range(100)]
    long = [Score(4.0 if number >= 50 else -2.0, 1.0, pieces=2) for number in range(100)]
    assert fit([*texts(100), *texts(100)], [*short, *long]).several_pieces == {"text": 0.0}


def adapter_for(folder: Path, down: torch.Tensor, up: torch.Tensor) -> Path:
    folder.mkdir()
    name = "base_model.model.model.layers.0.mlp.up_proj.lora_{}.weight"
    save_file({name.format("A"): down, name.format("B"): up}, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"r": 2, "lora_alpha": 4}))
    (folder / "calibration.json").write_text("{}")
    return folder


def base_for(folder: Path, weight: torch.Tensor) -> Path:
    folder.mkdir()
    save_file({"model.layers.0.mlp.up_proj.weight": weight}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


def test_merging_adds_the_scaled_product(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 4, dtype=torch.bfloat16)
    down, up = torch.randn(2, 4, dtype=torch.bfloat16), torch.randn(6, 2, dtype=torch.bfloat16)
    base = base_for(tmp_path / "base", weight)
    adapter = adapter_for(tmp_path / "adapter", down, up)
    merge_adapter(base, adapter, tmp_path / "out")
    merged = load_file(tmp_path / "out" / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
    expected = (weight.double() + 2.0 * (up.double() @ down.double())).to(torch.bfloat16)
    assert torch.equal(merged, expected)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "model.safetensors",
        "config.json",
        "calibration.json",
    }
    first = (tmp_path / "out" / "model.safetensors").read_bytes()
    merge_adapter(base, adapter, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == first


def test_an_adapter_of_another_shape_is_refused(tmp_path: Path) -> None:
    base = base_for(tmp_path / "base", torch.zeros(6, 4))
    adapter = adapter_for(tmp_path / "adapter", torch.zeros(2, 5), torch.zeros(6, 2))
    with pytest.raises(MergeError, match="shapes"):
        merge_adapter(base, adapter, tmp_path / "out")
    assert not (tmp_path / "out").exists()
