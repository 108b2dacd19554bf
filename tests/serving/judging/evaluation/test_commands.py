"""`mizan judge eval` and `explain` on real weights of a few kilobytes; what is wrong ends in a sentence."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from cluster.main import main
from models.catalog import BUNDLED, load_catalog, read_entry
from models.settings import ModelsSettings
from serving.judging.conversation import Check, Stage
from serving.judging.evaluation.backends import open_judge
from serving.judging.evaluation.chosen import of_folder
from serving.judging.policy import Criterion, Policy
from tests.serving.injection.tokenizers import FAMILIES, tokenizer_of

FAMILY = next(family for family in FAMILIES if family.name == "mizan")
POLICY = Policy(id="p", version="1", criteria=(Criterion(id="harm", description="harm"),))
NO_TEXTS = 'id: p\nversion: "1"\nhazards: {hate: {stages: [prompt, answer, tool_call]}}\n'


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge of the family `mizan` that nobody has trained, with a context of 256 tokens (bytes, here)."""
    folder = tmp_path_factory.mktemp("judges") / "[tiny]"
    tokenizer = tokenizer_of(FAMILY)
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=256,
    )
    Gemma3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


Command: TypeAlias = Callable[..., tuple[int | str | None, str, str]]


@pytest.fixture
def mizan_judge(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Exit code, output and errors of the real command line."""

    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["mizan", "judge", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return end.value.code, said.out, said.err

    return run


def rows(path: Path, *texts: str) -> str:
    path.parent.mkdir(exist_ok=True)
    lines = [
        {"id": text, "lang": "en", "kind": "prompt", "text": text, "label": label}
        for text in texts
        for label in ("safe", "unsafe")
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return str(path)


def test_files_of_one_name_are_kept_apart(weights: Path, tmp_path: Path, mizan_judge: Command) -> None:
    one, other = rows(tmp_path / "A" / "x.jsonl", "hello"), rows(tmp_path / "B" / "x.jsonl", "good day")
    figures, scores = tmp_path / "figures.json", tmp_path / "scores.jsonl"
    written = ("--json", str(figures), "--rows", str(scores), "--resamples", "1")
    code, _, _ = mizan_judge("eval", one, other, "--judge", str(weights), *written)
    assert code == 0
    (evaluation,) = json.loads(figures.read_text(encoding="utf-8"))["evaluations"]
    assert sorted(evaluation["data"]) == ["A/x.jsonl", "B/x.jsonl"]
    assert len(set(evaluation["data"].values())) == 2
    assert [(group["name"], group["rows"]) for group in evaluation["groups"]["file"]] == [
        ("A/x", 2),
        ("B/x", 2),
    ]
    lines = [json.loads(line) for line in scores.read_text(encoding="utf-8").splitlines()]
    assert [line["file"] for line in lines] == ["A/x", "A/x", "B/x", "B/x"]


@pytest.mark.parametrize("again", ["x.jsonl", "../A/x.jsonl", "link.jsonl"])
def test_a_file_that_is_given_twice_is_refused(again: str, tmp_path: Path, mizan_judge: Command) -> None:
    one = Path(rows(tmp_path / "A" / "x.jsonl", "hello"))
    (tmp_path / "A" / "link.jsonl").symlink_to(one)
    code, _, said = mizan_judge("eval", str(one), f"{one.parent}/{again}")
    assert code == 1
    assert said.startswith("error: ")
    assert said.endswith("this file is given twice\n")


def test_a_line_keeps_its_number(tmp_path: Path, mizan_judge: Command) -> None:
    """`:100:` is the code of an emoji."""
    path = tmp_path / "[" / "x].jsonl"
    path.parent.mkdir()
    path.write_text("\n" * 99 + "{", encoding="utf-8")
    code, _, said = mizan_judge("eval", str(path))
    assert code == 1
    assert f"{path}:100: not JSON" in said


def test_what_the_judge_cannot_decide_ends_in_a_sentence(
    weights: Path, tmp_path: Path, mizan_judge: Command
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(NO_TEXTS, encoding="utf-8")
    judge = ("--judge", str(weights), "--family", "yes_no", "--policy", str(policy))
    code, out, said = mizan_judge("explain", "hello", "--stage", "text", *judge)
    assert (code, out) == (1, "")
    assert "error: the judge cannot decide: policy p asks nothing at stage text" in said


def test_explain_shows_the_threshold_that_its_score_was_held_against(
    weights: Path, tmp_path: Path, mizan_judge: Command
) -> None:
    policy = tmp_path / "policy.yaml"
    rules = [{"id": name, "description": name, "threshold": bar} for name, bar in (("a", 0.99), ("b", 0.01))]
    policy.write_text(json.dumps({"id": "p", "version": "1", "criteria": rules}), encoding="utf-8")
    judge = ("--judge", str(weights), "--family", "yes_no", "--policy", str(policy))
    code, out, _ = mizan_judge("explain", "hello", "--json", *judge)
    assert code == 0
    assert json.loads(out)["threshold"] == 0.01


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("{", "not the configuration of a model"),
        ("[]", "not the configuration of a model"),
        ('{"model_type": "gemma3_text"}', "cannot be used"),
        ('{"model_type": "none"}', "cannot be used"),
    ],
)
@pytest.mark.parametrize("command", ["eval", "explain"])
def test_a_folder_with_no_usable_judge_ends_in_a_sentence(
    command: str,
    config: str,
    sentence: str,
    tmp_path: Path,
    mizan_judge: Command,
) -> None:
    folder = tmp_path / "[" / "judge]"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config, encoding="utf-8")
    asked = rows(tmp_path / "x.jsonl", "hello") if command == "eval" else "hello"
    code, _, said = mizan_judge(command, asked, "--judge", str(folder))
    assert code == 1
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert str(folder) in line
    assert sentence in line


@pytest.mark.parametrize("family", ["mizan", "qwen3guard", "shieldgemma"])
def test_a_folder_has_the_context_that_its_family_is_served_with(family: str, tmp_path: Path) -> None:
    name = {"qwen3guard": "qwen3guard-gen-0.6b"}.get(family, "gemma-3-270m-judge")
    served = read_entry(BUNDLED / f"{name}.yaml").engine_args("cpu")["max_model_len"]
    config: dict[str, Any] = {"text_config": {"max_position_embeddings": 1 << 20}}
    for written in ({}, config):
        (tmp_path / "config.json").write_text(json.dumps(written), encoding="utf-8")
        assert of_folder(tmp_path, family, load_catalog(ModelsSettings())).context == served
    config["text_config"]["max_position_embeddings"] = 512
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert of_folder(tmp_path, family, load_catalog(ModelsSettings())).context == 512


@pytest.mark.parametrize(("length", "pieces"), [(150, 1), (300, 2)])
async def test_a_text_is_fitted_to_that_context(length: int, pieces: int, weights: Path) -> None:
    model = of_folder(weights, "mizan", load_catalog(ModelsSettings()))
    async with open_judge(model, "transformers") as judge:
        verdict = await judge.judge(Check(Stage.TEXT, (), "x" * length), POLICY)
    assert verdict.pieces == pieces
