"""What a batch costs: right labels, pairs in order, and the second task of naming the hazard."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from models.training import lexicon as lexicons
from models.training.examples import from_pair, from_row
from models.training.format import Turn
from models.training.hazards import HAZARDS, hazard_of
from models.training.lexicon import load_lexicon
from models.training.measure import in_order
from models.training.mix import epoch, split_rows
from models.training.objective import Item, losses
from models.training.recipe import Pairs, Recipe, RecipeError, Share, load_recipe
from models.training.rows import Row

TRIED = lexicons.FOLDER.parent / "recipes" / "tried"
OWN = sorted((lexicons.FOLDER.parent / "data").glob("*.jsonl"))
PLAIN = Recipe(name="r", mix=(Share(file="f", rows=1),), label_smoothing=0.0)
PAIR = Item(ids=(1, 2), target=0, better=(1, 3, 4), weight=0.5)


def pair(number: int) -> Row:
    return Row.model_validate(
        {
            "id": f"p{number}",
            "lang": "en",
            "kind": "pair",
            "label": "pair",
            "file": "pairs",
            "prompt": f"Human: salt{number}?\n\nAssistant: What?\n\nHuman: lime{number}",
            "text": f"worse{number} no{number}",
            "chosen": f"better{number} yes{number}",
        }
    )


def test_labelled_items_cost_their_mean_cross_entropy() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.0], [-1.0, 3.0]])
    items = [Item((1,), 0), Item((2,), 1), Item((3,), 1)]
    found = losses(items, torch.zeros(3, 4), logits, head=None, recipe=PLAIN, usual=2.0)
    assert found.item() == pytest.approx(cross_entropy(logits, torch.tensor([0, 1, 1])).item())


def test_a_pair_costs_less_the_more_harmful_its_worse_answer_scores() -> None:
    right = torch.tensor([[0.0, 1.0], [3.0, 0.0], [0.0, 2.0]])  # a labelled item, then both of the pair
    wrong = right[[0, 2, 1]]
    labelled = Item((9,), 1)
    found = [
        losses([labelled, PAIR], torch.zeros(3, 4), logits, head=None, recipe=PLAIN, usual=2.0).item()
        for logits in (right, wrong)
    ]
    own = cross_entropy(right[:1], torch.tensor([1]))
    assert found[0] == pytest.approx((own + 0.5 * softplus(torch.tensor(-5.0)) / 2).item())
    assert found[1] == pytest.approx((own + 0.5 * softplus(torch.tensor(5.0)) / 2).item())


def test_hazards_count_only_where_they_are_known() -> None:
    head = torch.nn.Linear(4, len(HAZARDS))
    states, logits = torch.randn(2, 4), torch.randn(2, 2)
    recipe = PLAIN.model_copy(update={"hazard_weight": 0.3})
    unknown = losses([Item((1,), 0), Item((2,), 1)], states, logits, head=head, recipe=recipe, usual=2.0)
    known = losses(
        [Item((1,), 0, hazard=3), Item((2,), 1)], states, logits, head=head, recipe=recipe, usual=2.0
    )
    named = cross_entropy(head(states[:1]), torch.tensor([3]))
    assert known.item() == pytest.approx((unknown + 0.3 * named / 2).item())


def test_a_pair_fills_a_batch_with_both_of_its_sequences() -> None:
    assert PAIR.sequences == ((1, 2), (1, 3, 4))
    assert PAIR.tokens == 6
    assert Item((1, 2, 3), 0).tokens == 3


def test_a_transcript_becomes_turns() -> None:
    example = from_pair(pair(2))
    assert example.context == (
        Turn("user", "salt2?"),
        Turn("assistant", "What?"),
        Turn("user", "lime2"),
    )
    assert (example.text, example.better) == ("worse2 no2", "better2 yes2")
    better = example.better_parts()
    assert better is not None
    assert [part.text for part in better if part.judged] == ["better2 yes2"]


def test_a_pair_without_its_better_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="better answer"):
        Row.model_validate(pair(1).model_dump() | {"chosen": None})


def test_saying_nothing_may_be_the_better_answer() -> None:
    example = from_pair(Row.model_validate(pair(1).model_dump() | {"chosen": ""}))
    better = example.better_parts()
    assert better is not None
    assert not any(part.text for part in better if part.judged)


def test_pairs_in_order() -> None:
    assert in_order([1.0, 0.0, 2.0, -1.0], [0.0, 1.0, 1.5, -3.0]) == 0.75
    assert in_order([], []) is None


def test_pairs_are_held_out_like_rows_and_drawn_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(pair(number).model_dump_json() + "\n" for number in range(200)))
    rows = tmp_path / "f.jsonl"
    words = ("iron", "salt", "water", "belt", "pump", "valve", "motor", "cable", "crane", "truck")
    rows.write_text(
        "".join(
            json.dumps({"id": f"r{i}", "lang": "en", "kind": "comment", "text": w, "label": "safe"}) + "\n"
            for i, w in enumerate(words)
        )
    )
    recipe = PLAIN.model_copy(update={"pairs": (Pairs(file="pairs", rows=7),)})
    split = split_rows([path, rows], recipe)
    assert len(split.pairs) + len(split.pairs_held_out) == 200
    assert split.pairs_held_out
    assert not {row.id for row in split.pairs} & {row.id for row in split.pairs_held_out}
    assert not any(row.kind == "pair" for row in (*split.train, *split.development))
    drawn = [example for example in epoch(split, recipe, 0) if example.better is not None]
    assert len({example.id for example in drawn}) == 7
    assert {example.id for example in drawn} <= {row.id for row in split.pairs}
    with pytest.raises(RecipeError, match="nowhere"):
        epoch(split, PLAIN.model_copy(update={"pairs": (Pairs(file="nowhere", rows=1),)}), 0)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_hazards_of_own_rows(path: Path) -> None:
    rows = [Row.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(hazard_of(row) is None for row in rows if row.label == "safe")
    assert all(hazard_of(row) in HAZARDS for row in rows if row.label == "unsafe")


def test_public_categories_are_named_in_the_same_vocabulary() -> None:
    row = pair(1).model_copy(update={"kind": "comment", "label": "unsafe", "category": "Malware Viruses"})
    assert hazard_of(row) == "cybercrime"
    assert from_row(row).hazard == "cybercrime"
    assert hazard_of(row.model_copy(update={"file": "injection-fr"})) == "jailbreak"
    assert hazard_of(row.model_copy(update={"category": "contrast_homonyms"})) is None


@pytest.mark.parametrize("name", sorted(path.stem for path in lexicons.FOLDER.glob("*.yaml")))
def test_every_role_of_a_lexicon_names_a_hazard(name: str) -> None:
    assert {role.category for role in load_lexicon(name).roles} <= set(HAZARDS)


def test_what_a_recipe_leaves_out_does_not_change_its_digest() -> None:
    digests = {
        PLAIN.digest,
        PLAIN.model_copy(update={"hazard_weight": 0.3}).digest,
        PLAIN.model_copy(update={"pairs": (Pairs(file="p", rows=1),)}).digest,
    }
    assert len(digests) == 3
    assert PLAIN.model_copy(update={"pairs": (), "hazard_weight": 0.0}).digest == PLAIN.digest


def test_the_compared_recipes_differ_in_one_thing() -> None:
    plain, hazards, pairs = (
        load_recipe(TRIED / f"{name}.yaml") for name in ("5-small", "5-small-hazards", "5-small-pairs")
    )
    assert hazards.model_copy(update={"name": "5-small", "hazard_weight": 0.0}) == plain
    assert pairs.model_copy(update={"name": "5-small", "pairs": ()}) == plain
