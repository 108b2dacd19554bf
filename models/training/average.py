"""The mean of several adapters of one base model, compressed to the rank of one adapter.

Runs that share a start differ in what noise they learnt; their mean keeps what they agree on and ranks unseen
texts better than each of them ("model soups", Wortsman et al. 2022).
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.training.export import CONFIG, RECORD, WEIGHTS, record_of


class AverageError(ValueError):
    """The adapters do not fit each other; the message says what differs."""


def average(folders: Sequence[Path], out: Path) -> None:
    """Write the mean of the adapters in `folders` to `out`, with the configuration of the first.

    Each target's mean change is cut to that rank by its singular values, in float64. The record names the
    adapters by digest and keeps their own records. Raises AverageError.
    """
    if len(folders) < 2:
        raise AverageError("an average needs two adapters or more")
    try:
        shapes = [json.loads((folder / CONFIG).read_text(encoding="utf-8")) for folder in folders]
    except OSError as error:
        raise AverageError(f"cannot read an adapter: {error}") from error
    if any(shape != shapes[0] for shape in shapes):
        raise AverageError("the adapters have different configurations")
    tensors = [load_file(folder / WEIGHTS) for folder in folders]
    if any(set(some) != set(tensors[0]) for some in tensors):
        raise AverageError("the adapters have different tensors")
    rank = int(shapes[0]["r"])
    mean: dict[str, torch.Tensor] = {}
    for down in sorted(name for name in tensors[0] if ".lora_A." in name):
        up = down.replace(".lora_A.", ".lora_B.")
        change = torch.stack([some[up].double() @ some[down].double() for some in tensors]).mean(dim=0)
        mean[up], mean[down] = _factors(change, rank)
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: mean[name] for name in sorted(mean)}, out / WEIGHTS, metadata={"format": "pt"})
    shutil.copy(folders[0] / CONFIG, out / CONFIG)
    record = {"average_of": [record_of(folder) for folder in folders]}
    (out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _factors(change: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The two factors, rows × rank and rank × columns, of the nearest matrix of that rank."""
    left, values, right = torch.linalg.svd(change, full_matrices=False)
    root = values[:rank].sqrt()
    up, down = left[:, :rank] * root, root[:, None] * right[:rank]
    return up.to(torch.bfloat16).contiguous(), down.to(torch.bfloat16).contiguous()
