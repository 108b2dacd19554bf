"""The base model with a LoRA adapter, and the two numbers that are read from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel

from models.processor import number_type
from models.training.recipe import Lora


def load_base(folder: Path) -> PreTrainedModel:
    """The base model in bfloat16, or in float32 where that is faster.

    Eager attention: the fused kernels gain nothing on short CPU batches.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder, dtype=number_type("bfloat16"), attn_implementation="eager", local_files_only=True
    )
    model.config.use_cache = False
    return model


def with_lora(base: PreTrainedModel, lora: Lora) -> PeftModel:
    """Add a fresh adapter, of the base's type: a fifth faster than casting every activation."""
    layers = base.config.num_hidden_layers
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        layers_to_transform=list(range(lora.first_layer, layers)),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config, autocast_adapter_dtype=False)


def decoder(model: Any) -> Any:
    """The stack of layers below the language-model head."""
    return model.base_model.model.model if isinstance(model, PeftModel) else model.model


def compile_layers(model: Any) -> None:
    """Fuse the element-wise work of each layer; a quarter faster, after a minute's compilation."""
    stack = decoder(model)
    for index in range(len(stack.layers)):
        stack.layers[index] = torch.compile(stack.layers[index], dynamic=True)


def padded(ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids and attention mask, both rows × longest."""
    width = max(map(len, ids))
    tokens = torch.zeros(len(ids), width, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, sequence in enumerate(ids):
        tokens[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return tokens, mask


def last_hidden(model: Any, ids: Sequence[Sequence[int]]) -> torch.Tensor:
    """Hidden state after the last token of each row, rows × width of the model."""
    tokens, mask = padded(ids)
    states = decoder(model)(input_ids=tokens, attention_mask=mask, use_cache=False).last_hidden_state
    chosen: torch.Tensor = states[torch.arange(len(ids)), mask.sum(dim=1) - 1]
    return chosen


def last_logits(model: Any, ids: Sequence[Sequence[int]]) -> torch.Tensor:
    """Logits after the last token of each row as the model itself computes them, rows × vocabulary.

    A family may scale its logits (Granite) or bound them (Gemma 2) after the head, or give the head a bias.
    The head is handed the last states only: over all tokens, a large vocabulary takes gigabytes.
    """
    tokens, mask = padded(ids)
    rows, last = torch.arange(len(ids)), mask.sum(dim=1) - 1

    def only_last(_: torch.nn.Module, states: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (states[0][rows, last].unsqueeze(1),)

    with model.get_output_embeddings().register_forward_pre_hook(only_last):
        logits: torch.Tensor = model(input_ids=tokens, attention_mask=mask, use_cache=False).logits[:, 0]
    return logits.float()


def output_weights(model: Any) -> torch.Tensor:
    """The language-model head, vocabulary × width (tied to the embedding in Gemma 3)."""
    weights: torch.Tensor = model.get_output_embeddings().weight
    return weights
