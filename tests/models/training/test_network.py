"""What is read from a model is what the model itself says."""

from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GraniteConfig,
    GraniteForCausalLM,
)

from models.training.network import last_hidden, last_logits, output_weights

SMALL: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
PROMPTS = [[1, 2, 3, 4], [5, 6], [7, 8, 9]]


def granite() -> Any:
    return GraniteForCausalLM(GraniteConfig(**SMALL, logits_scaling=8.0))


def gemma_2() -> Any:
    return Gemma2ForCausalLM(Gemma2Config(**SMALL, head_dim=16, final_logit_softcapping=0.1))


def gemma_3() -> Any:
    return Gemma3ForCausalLM(Gemma3TextConfig(**SMALL, head_dim=16))


@pytest.mark.parametrize("make", [granite, gemma_2, gemma_3])
def test_logits_are_those_of_the_model(make: Any) -> None:
    torch.manual_seed(0)
    model = make().eval()
    with torch.inference_mode():
        together = last_logits(model, PROMPTS)
        for row, prompt in zip(together, PROMPTS, strict=True):
            alone = model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0, -1]
            torch.testing.assert_close(row, alone)


def test_the_default_judges_family_adds_nothing_after_its_head() -> None:
    """Training, which reads its two labels only, takes the head's own product."""
    torch.manual_seed(0)
    model = gemma_3().eval()
    with torch.inference_mode():
        own = last_hidden(model, PROMPTS) @ output_weights(model).T
        torch.testing.assert_close(last_logits(model, PROMPTS), own)
