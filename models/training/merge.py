"""Merging an adapter into its base model: plain arithmetic, the same bytes on every machine."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.stated_error import StatedError

WEIGHTS = "model.safetensors"
_PREFIX = "base_model.model."


class MergeError(StatedError, ValueError):
    """Base and adapter do not fit each other; the message names the tensor or the file."""


def merge_adapter(base_dir: Path, adapter_dir: Path, out_dir: Path) -> None:
    """Write base + scale · B·A to `out_dir`, with the base's configuration and tokenizer.

    The product is computed in float64 and rounded once to the base's dtype, so that neither the number of
    threads nor the instruction set changes a byte. Raises MergeError. `out_dir` appears whole or not at all.
    """
    try:
        config = json.loads((adapter_dir / "adapter_config.json").read_text(encoding="utf-8"))
        adapter = load_file(adapter_dir / "adapter_model.safetensors")
        weights = load_file(base_dir / WEIGHTS)
    except (OSError, json.JSONDecodeError) as error:
        raise MergeError(f"cannot read base or adapter: {error}") from error
    scale = config["lora_alpha"] / config["r"]
    for name in sorted(adapter):
        if ".lora_A." not in name:
            continue
        partner = name.replace(".lora_A.", ".lora_B.")
        target = name.removeprefix(_PREFIX).replace(".lora_A.weight", ".weight")
        if partner not in adapter or target not in weights:
            raise MergeError(f"adapter tensor {name} has no counterpart in the base model")
        down, up = adapter[name].double(), adapter[partner].double()
        original = weights[target]
        if (up.shape[0], down.shape[1]) != tuple(original.shape):
            raise MergeError(f"{target}: adapter and base have different shapes")
        weights[target] = (original.double() + scale * _product(up, down)).to(original.dtype)
    building = out_dir.with_name(out_dir.name + ".partial")
    shutil.rmtree(building, ignore_errors=True)
    shutil.copytree(base_dir, building, ignore=shutil.ignore_patterns(WEIGHTS))
    save_file({k: weights[k].contiguous() for k in sorted(weights)}, building / WEIGHTS, {"format": "pt"})
    calibration = adapter_dir / "calibration.json"
    if calibration.exists():
        shutil.copy(calibration, building / calibration.name)
    shutil.rmtree(out_dir, ignore_errors=True)
    building.replace(out_dir)


def _product(up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """Rank-one sums in a fixed order: a blocked matrix product may add in another order elsewhere."""
    total = up[:, :1] * down[:1]
    for rank in range(1, down.shape[0]):
        total += up[:, rank : rank + 1] * down[rank : rank + 1]
    return total
