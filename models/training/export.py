"""The adapter as files: bf16 safetensors, peft's configuration, and the record of the run."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
RECORD = "training.json"


def _clean(name: str) -> str:
    return name.replace("_orig_mod.", "").replace(".default.weight", ".weight")


def export_adapter(model: Any, folder: Path, record: dict[str, Any]) -> None:
    """Write what `merge_adapter` and peft read. No path of this machine is written."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        _clean(name): parameter.detach().to(torch.bfloat16).contiguous()
        for name, parameter in sorted(model.named_parameters())
        if "lora_" in name
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    kept = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "google/gemma-3-270m",
        "r": config["r"],
        "lora_alpha": config["lora_alpha"],
        "lora_dropout": config["lora_dropout"],
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted(config["target_modules"]),
        "layers_to_transform": config["layers_to_transform"],
    }
    (folder / CONFIG).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def record_of(folder: Path) -> dict[str, Any]:
    """The record of an exported adapter, and the digest of its weights."""
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    return {"sha256": digest, **json.loads((folder / RECORD).read_text(encoding="utf-8"))}


def load_weights(model: Any, folder: Path) -> None:
    """Copy an exported adapter's weights into a model that carries a LoRA of the same rank.

    The model's LoRA may reach into more layers than the adapter: there it stays fresh and changes
    nothing yet. Raises ValueError if a tensor is left over, or missing in a layer that the adapter has.
    """
    tensors = load_file(folder / WEIGHTS)
    layers = {_layer(name) for name in tensors}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name and _layer(name) in layers:
                tensor = tensors.pop(_clean(name), None)
                if tensor is None:
                    raise ValueError(f"{folder}: {_clean(name)} is missing")
                parameter.copy_(tensor)
    if tensors:
        raise ValueError(f"{folder}: {len(tensors)} tensors do not belong to this LoRA shape")


def _layer(name: str) -> str:
    return name.split(".layers.")[1].split(".", maxsplit=1)[0]
