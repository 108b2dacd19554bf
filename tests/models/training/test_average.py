"""The mean of adapters."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from models.stated_error import StatedError
from models.training import pipeline
from models.training.average import AverageError, average
from models.training.cli import STAGES, app
from models.training.export import CONFIG, RECORD, WEIGHTS, record_of
from models.training.recipe import load_recipe

DOWN = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"
UP = DOWN.replace("lora_A", "lora_B")


def adapter(folder: Path, up: torch.Tensor, down: torch.Tensor, name: str = "a", alpha: int = 4) -> Path:
    folder.mkdir()
    save_file({UP: up.to(torch.bfloat16), DOWN: down.to(torch.bfloat16)}, folder / WEIGHTS)
    shape = {"r": down.shape[0], "lora_alpha": alpha, "layers_to_transform": [0]}
    (folder / CONFIG).write_text(json.dumps(shape), encoding="utf-8")
    (folder / RECORD).write_text(json.dumps({"recipe": {"name": name}}), encoding="utf-8")
    return folder


def change(folder: Path) -> torch.Tensor:
    tensors = load_file(folder / WEIGHTS)
    return tensors[UP].float() @ tensors[DOWN].float()


def test_the_mean_of_one_adapter_with_itself_is_that_adapter(tmp_path: Path) -> None:
    torch.manual_seed(1)
    one = adapter(tmp_path / "one", torch.randn(6, 2), torch.randn(2, 4))
    average([one, one], tmp_path / "out")
    assert torch.allclose(change(tmp_path / "out"), change(one), atol=0.05)
    assert load_file(tmp_path / "out" / WEIGHTS)[DOWN].shape == (2, 4)


def test_what_one_adapter_alone_learnt_counts_half(tmp_path: Path) -> None:
    up, down = torch.tensor([[2.0], [0.0]]), torch.tensor([[1.0, 0.0]])
    one = adapter(tmp_path / "one", up, down)
    other = adapter(tmp_path / "other", torch.zeros(2, 1), torch.zeros(1, 2), name="b")
    average([one, other], tmp_path / "out")
    assert torch.allclose(change(tmp_path / "out"), torch.tensor([[1.0, 0.0], [0.0, 0.0]]), atol=0.01)
    record = json.loads((tmp_path / "out" / RECORD).read_text(encoding="utf-8"))
    assert [part["recipe"]["name"] for part in record["average_of"]] == ["a", "b"]
    assert len({part["sha256"] for part in record["average_of"]}) == 2


def test_weights_are_shares_of_the_mean(tmp_path: Path) -> None:
    up, down = torch.tensor([[2.0], [0.0]]), torch.tensor([[1.0, 0.0]])
    one = adapter(tmp_path / "one", up, down)
    other = adapter(tmp_path / "other", torch.zeros(2, 1), torch.zeros(1, 2))
    average([one, other], tmp_path / "out", [3, 1])
    assert torch.allclose(change(tmp_path / "out"), torch.tensor([[1.5, 0.0], [0.0, 0.0]]), atol=0.01)
    record = json.loads((tmp_path / "out" / RECORD).read_text(encoding="utf-8"))
    assert record["weights"] == [0.75, 0.25]
    for wrong in ([1.0], [1.0, -1.0]):
        with pytest.raises(AverageError, match="as many weights"):
            average([one, other], tmp_path / "wrong", wrong)


def test_an_adapter_that_another_began_with_is_told_in_full_once(tmp_path: Path) -> None:
    first = adapter(tmp_path / "first", torch.zeros(2, 1), torch.zeros(1, 2))
    second = adapter(tmp_path / "second", torch.ones(2, 1), torch.zeros(1, 2), name="b")
    record = {"recipe": {"name": "b"}, "steps": 7, "started_from": record_of(first)}
    (second / RECORD).write_text(json.dumps(record), encoding="utf-8")
    average([first, second], tmp_path / "out")
    told = json.loads((tmp_path / "out" / RECORD).read_text(encoding="utf-8"))["average_of"]
    assert told[0] == {"sha256": record_of(first)["sha256"], "recipe": {"name": "a"}}
    assert told[1]["steps"] == 7
    assert told[1]["started_from"]["sha256"] == told[0]["sha256"]


def test_a_mean_that_a_stage_began_with_is_told_by_its_digest(tmp_path: Path) -> None:
    one = adapter(tmp_path / "one", torch.zeros(2, 1), torch.zeros(1, 2))
    average([one, one], tmp_path / "mean")
    later = adapter(tmp_path / "later", torch.ones(2, 1), torch.zeros(1, 2), name="b")
    record = {"recipe": {"name": "b"}, "started_from": record_of(tmp_path / "mean")}
    (later / RECORD).write_text(json.dumps(record), encoding="utf-8")
    average([tmp_path / "mean", later], tmp_path / "out")
    told = json.loads((tmp_path / "out" / RECORD).read_text(encoding="utf-8"))["average_of"]
    assert told[0] == {"sha256": record_of(tmp_path / "mean")["sha256"]}


def test_adapters_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    one = adapter(tmp_path / "one", torch.zeros(2, 1), torch.zeros(1, 2))
    other = adapter(tmp_path / "other", torch.zeros(2, 1), torch.zeros(1, 2), alpha=8)
    with pytest.raises(AverageError, match="configurations"):
        average([one, other], tmp_path / "out")
    with pytest.raises(AverageError, match="two adapters"):
        average([one], tmp_path / "out")
    with pytest.raises(AverageError, match="cannot read"):
        average([one, tmp_path / "none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_averaged_is_said_in_one_line(tmp_path: Path) -> None:
    one = adapter(tmp_path / "one", torch.zeros(2, 1), torch.zeros(1, 2))
    result = CliRunner().invoke(app, ["average", str(one), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert isinstance(result.exception, StatedError)
    assert str(result.exception) == "an average needs two adapters or more"


def test_training_begins_each_stage_with_the_one_before_and_the_last_with_a_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path | None] = []

    def train(paths: pipeline.Paths, *_: object, start_from: Path | None, **__: object) -> Path:
        begun.append(start_from)
        paths.run.mkdir(parents=True, exist_ok=True)
        value = float(len(begun))
        return adapter(paths.run / "adapter", torch.full((2, 1), value), torch.ones(1, 2))

    monkeypatch.setattr(pipeline, "train", train)
    arguments = ["train", "--base", "base", "--data", "data", "--run", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    recipes = [load_recipe(path) for path in STAGES]
    came_to: list[float] = []
    for number, stage in enumerate(recipes):
        wanted = min(stage.begins_with_mean_of, number)
        start = begun[number]
        assert (start is None) is (number == 0)
        if start is not None:
            mean = sum(came_to[-wanted:]) / wanted
            assert torch.allclose(change(start), torch.full((2, 2), mean), rtol=0.02)
        names = [earlier.name for earlier in recipes[:number]]
        own = (number + 1) * (1 - sum(stage.averaged_with.values()))
        others = (came_to[names.index(name)] * share for name, share in stage.averaged_with.items())
        came_to.append(own + sum(others))
    shipped = tmp_path / recipes[-1].name / "averaged"
    assert torch.allclose(change(shipped), torch.full((2, 2), came_to[-1]), rtol=0.02)
    assert str(shipped) in result.output.replace("\n", "")


def recipe(folder: Path, name: str, **fields: object) -> list[str]:
    """The option with a recipe of that name."""
    path = folder / f"{name}.yaml"
    mix = [{"file": "own", "rows": 1}]
    path.write_text(json.dumps({"name": name, "mix": mix, **fields}), encoding="utf-8")
    return ["--recipe", str(path)]


def test_a_stage_may_begin_with_a_mean_and_be_averaged_with_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[float] = []

    def train(paths: pipeline.Paths, *_: object, start_from: Path | None, **__: object) -> Path:
        begun.append(0.0 if start_from is None else float(change(start_from)[0, 0]))
        value = {"a": 1.0, "b": 3.0, "c": 6.0}[paths.run.name]
        paths.run.mkdir(parents=True, exist_ok=True)
        return adapter(paths.run / "adapter", torch.full((2, 1), value), torch.ones(1, 2))

    monkeypatch.setattr(pipeline, "train", train)
    options = [
        *recipe(tmp_path, "a", begins_with_mean_of=2, averaged_with={"b": 0.5}),  # nothing is before it
        *recipe(tmp_path, "b"),
        *recipe(tmp_path, "c", begins_with_mean_of=2, averaged_with={"a": 0.25, "b": 0.5}),
    ]
    arguments = ["train", "--base", "base", "--data", "data", "--run", str(tmp_path)]
    result = CliRunner().invoke(app, [*arguments, *options])
    assert result.exit_code == 0, result.output
    assert begun == pytest.approx([0.0, 1.0, 2.0], abs=0.05)
    averaged = tmp_path / "c" / "averaged"
    assert change(averaged)[0, 0] == pytest.approx(0.25 * 1 + 0.5 * 3 + 0.25 * 6, abs=0.05)
    assert str(averaged) in result.output.replace("\n", "")


@pytest.mark.parametrize("averaging", [{"begins_with_mean_of": 2}, {"averaged_with": {"a": 0.5}}])
def test_what_has_no_mean_is_refused_before_any_stage_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, averaging: dict[str, object]
) -> None:
    monkeypatch.setattr(pipeline, "train", lambda *_, **__: pytest.fail("trained"))
    shapes = ({"first_layer": 9}, {"first_layer": 4}, {"first_layer": 0})
    options = [
        *recipe(tmp_path, "a", lora=shapes[0]),
        *recipe(tmp_path, "b", lora=shapes[1]),
        *recipe(tmp_path, "c", lora=shapes[2], **averaging),
    ]
    arguments = ["train", "--base", "base", "--data", "data", "--run", str(tmp_path)]
    result = CliRunner().invoke(app, [*arguments, *options])
    assert result.exit_code == 2
    assert "of which `lora` differs" in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("shares", "said"), [({"x": 0.5}, "is averaged with x"), ({"a": 0.5, "b": 0.5}, "leave nothing")]
)
def test_shares_of_no_such_stage_or_of_everything_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: dict[str, float], said: str
) -> None:
    monkeypatch.setattr(pipeline, "train", lambda *_, **__: pytest.fail("trained"))
    options = [*recipe(tmp_path, "a"), *recipe(tmp_path, "b"), *recipe(tmp_path, "c", averaged_with=shares)]
    result = CliRunner().invoke(
        app, ["train", "--base", "b", "--data", "d", "--run", str(tmp_path), *options]
    )
    assert result.exit_code != 0
    assert said in " ".join((result.output or str(result.exception)).replace("│", " ").split())


def test_a_single_stage_that_begins_afresh_is_not_averaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "train", lambda paths, *_, **__: paths.run / "adapter")
    arguments = ["train", "--base", "base", "--data", "data", "--run", str(tmp_path)]
    result = CliRunner().invoke(app, [*arguments, "--recipe", str(STAGES[-1])])
    assert result.exit_code == 0, result.output
    assert not list(tmp_path.iterdir())
