from collections import Counter
from pathlib import Path

import pytest

from benchmarks.errors import InvalidScenarioError
from benchmarks.scenarios.scenario import built_in, load_prompts, read_length, read_scenario


def test_the_users_languages_are_there_short_and_long() -> None:
    assert set(built_in()) == {"english", "french", "arabic", "darija"}
    for name, language in {"english": "en", "french": "fr", "arabic": "ar", "darija": "ary"}.items():
        prompts = read_scenario(name).prompts
        assert {prompt.language for prompt in prompts} == {language}
        assert {prompt.length for prompt in prompts} == {"short", "long"}


def test_ids_are_unique_over_all_sets() -> None:
    ids = [prompt.id for prompt in load_prompts(()).prompts]
    assert len(set(ids)) == len(ids)


def test_every_prompt_comes_as_often_as_the_others() -> None:
    prompts = load_prompts(["french"])
    count = len(prompts.prompts)
    asked = Counter(prompts.at("s", sequence).id for sequence in range(3 * count))
    assert set(asked.values()) == {3}


def test_order_depends_on_seed_and_scope_only() -> None:
    def order(seed: int, scope: str) -> list[str]:
        prompts = load_prompts((), seed=seed)
        return [prompts.at(scope, sequence).id for sequence in range(20)]

    assert order(1, "x") == order(1, "x")
    assert order(1, "x") != order(2, "x")
    assert order(1, "x") != order(1, "y")


def test_only_long_ones() -> None:
    assert {prompt.length for prompt in load_prompts((), read_length("long")).prompts} == {"long"}
    with pytest.raises(InvalidScenarioError):
        read_length("medium")


def test_sets_that_cannot_be_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x\nprompts: []\n")
    deep = tmp_path / "deep.yaml"
    deep.write_text("[" * 3000)
    for name in ("nothing", str(bad), str(deep), str(tmp_path / "missing.yaml"), "../x"):
        with pytest.raises(InvalidScenarioError):
            read_scenario(name)
