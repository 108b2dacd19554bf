"""The mean of several adapters of one base model, compressed to the rank of one adapter.

Runs that share a start differ in what noise they learnt; their mean keeps what they agree on and ranks unseen
texts better than each of them ("model soups", Wortsman et al. 2022).
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from models.stated_error import StatedError
from models.training.export import CONFIG, RECORD, WEIGHTS, record_of


class AverageError(StatedError, ValueError):
    """The adapters do not fit each other; the message says what differs."""


def average(folders: Sequence[Path], out: Path, weights: Sequence[float] = ()) -> None:
    """Write the mean of the adapters in `folders` to `out`, with the configuration of the first.

    `weights` are one for each adapter, in any unit; without them all count the same. Each target's mean
    change is cut to that rank by its singular values, in float64. The record names the adapters by digest and
    keeps their own records, once where one began with another. Raises AverageError.
    """
    if len(folders) < 2:
        raise AverageError("an average needs two adapters or more")
    if weights and (len(weights) != len(folders) or min(weights) <= 0):
        raise AverageError(f"{len(folders)} adapters need as many weights above 0, not {list(weights)}")
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
    shares = torch.tensor(weights or [1.0] * len(folders), dtype=torch.float64)
    shares = (shares / shares.sum())[:, None, None]
    mean: dict[str, torch.Tensor] = {}
    for down in sorted(name for name in tensors[0] if ".lora_A." in name):
        up = down.replace(".lora_A.", ".lora_B.")
        changes = torch.stack([some[up].double() @ some[down].double() for some in tensors])
        change = (shares * changes).sum(dim=0)
        mean[up], mean[down] = _factors(change, rank)
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: mean[name] for name in sorted(mean)}, out / WEIGHTS, metadata={"format": "pt"})
    shutil.copy(folders[0] / CONFIG, out / CONFIG)
    record = {
        "average_of": _each_once([record_of(folder) for folder in folders]),
        "weights": shares.flatten().tolist(),
    }
    (out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _each_once(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records; of one that is within another only digest and recipe's name (a mean has no recipe)."""
    before = {within["sha256"] for record in records for within in _within(record)}
    return [_in_short(record) if record["sha256"] in before else record for record in records]


def _within(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What an adapter began with or is the mean of, and so on."""
    begun = record.get("started_from")
    for earlier in [*record.get("average_of", ()), *([] if begun is None else [begun])]:
        yield earlier
        yield from _within(earlier)


def _in_short(record: dict[str, Any]) -> dict[str, Any]:
    recipe = record.get("recipe")
    return {"sha256": record["sha256"], **({} if recipe is None else {"recipe": {"name": recipe["name"]}})}


def _factors(change: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The two factors, rows × rank and rank × columns, of the nearest matrix of that rank."""
    left, values, right = torch.linalg.svd(change, full_matrices=False)
    root = values[:rank].sqrt()
    up, down = left[:, :rank] * root, root[:, None] * right[:rank]
    return up.to(torch.bfloat16).contiguous(), down.to(torch.bfloat16).contiguous()
