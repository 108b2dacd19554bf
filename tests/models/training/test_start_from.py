"""A stage begins with the adapter of the one before, which may reach into fewer layers."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.training.export import WEIGHTS, load_weights


class Stack:
    """Named parameters as peft names them: LoRA in two layers, and a weight of the base."""

    def __init__(self) -> None:
        lora = [f"{layer}.mlp.up_proj.lora_{side}.default" for layer in (0, 1) for side in "AB"]
        self.parameters = {
            f"base_model.model.model.layers.{name}.weight": torch.nn.Parameter(torch.zeros(2, 2))
            for name in (*lora, "0.mlp.up_proj.base_layer")
        }

    def named_parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        return list(self.parameters.items())


def adapter(folder: Path, *names: str) -> Path:
    tensors = {f"base_model.model.model.layers.{name}.weight": torch.ones(2, 2) for name in names}
    save_file(tensors, folder / WEIGHTS)
    return folder


UPPER = ("1.mlp.up_proj.lora_A", "1.mlp.up_proj.lora_B")


def test_layers_that_the_adapter_lacks_stay_as_they_are(tmp_path: Path) -> None:
    stack = Stack()
    load_weights(stack, adapter(tmp_path, *UPPER))
    changed = {name for name, parameter in stack.named_parameters() if parameter.detach().any()}
    assert changed == {f"base_model.model.model.layers.{name}.default.weight" for name in UPPER}


def test_a_layer_that_is_there_must_be_whole(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lora_B\.weight is missing"):
        load_weights(Stack(), adapter(tmp_path, UPPER[0]))


def test_a_tensor_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 tensors do not belong"):
        load_weights(Stack(), adapter(tmp_path, *UPPER, "2.mlp.up_proj.lora_A"))
