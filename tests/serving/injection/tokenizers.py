"""Tokenizers with the added tokens of each judge family, and a byte for every other token.

The added tokens are the published ones of each family's `tokenizer_config.json`, reserved places left out.
"""

from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from serving.judging.templates.base import Template
from serving.judging.templates.families import template_of


@dataclass(frozen=True)
class Family:
    """A family and its dialect's lineage; its special tokens, and those added tokens that are not special;
    the names before turns and the marks that structure its prompts in plain text."""

    name: str
    lineage: tuple[str, ...]
    special: tuple[str, ...]
    plain: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.lineage[0] if self.lineage else self.name

    @property
    def template(self) -> Template:
        return template_of(self.name, self.lineage)


_GEMMA = (
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
)
_GRANITE = ("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>", "<|tool_call|>", "<fim_prefix>")
_BEGIN_END = ("<BEGIN CONVERSATION>", "<END CONVERSATION>", "<END UNSAFE CONTENT CATEGORIES>")
_WORDS = ("System", "User", "Assistant", "Tool", "Rule", "Question", "Answer")
_MISTRAL = ("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]")
_LLAMA_3 = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|python_tag|>",
    "<|finetune_right_pad_id|>",
)
_LLAMA_4 = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|header_start|>",
    "<|header_end|>",
    "<|eot|>",
    "<|eom|>",
    "<|step|>",
    "<|image|>",
    "<|python_start|>",
    "<|python_end|>",
)
_QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|vision_start|>")
_QWEN_PLAIN = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
_EXCHANGE_MARKS = (
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_risk_definition>",
    "<end_of_risk_definition>",
)

FAMILIES = (
    Family("mizan", (), _GEMMA, ("[multimodal]", "<table>")),
    Family("yes_no", (), _GEMMA, ("[multimodal]", "<table>"), _WORDS),
    Family("yes_no", ("mistralai/Mistral-7B-Instruct-v0.3",), _MISTRAL, (), _WORDS),
    Family("llama_guard", ("meta-llama/Llama-Guard-3-8B",), _LLAMA_3, (), ("User", "Agent"), _BEGIN_END),
    Family("llama_guard", ("meta-llama/Llama-Guard-4-12B",), _LLAMA_4, (), ("User", "Agent"), _BEGIN_END),
    Family(
        "granite_guardian",
        ("ibm-granite/granite-guardian-3.3-8b",),
        _GRANITE,
        (),
        (),
        ("### Criteria", "### Scoring Schema", "<score>", "</score>"),
    ),
    Family(
        "granite_guardian",
        ("ibm-granite/granite-guardian-3.1-8b",),
        _GRANITE,
        (),
        ("User Message", "Assistant Message"),
        _EXCHANGE_MARKS,
    ),
    Family("shieldgemma", ("google/shieldgemma-2b",), _GEMMA, (), ("Human Question", "Chatbot Response")),
    Family(
        "qwen3guard",
        ("Qwen/Qwen3Guard-Gen-0.6B",),
        _QWEN,
        _QWEN_PLAIN,
        ("USER", "ASSISTANT", "Safety"),
        _BEGIN_END,
    ),
)


def tokenizer_of(family: Family) -> Any:
    """A byte-level tokenizer with the family's added tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Labels are single tokens, as the real vocabularies have them.
    words = [label.replace(" ", "Ġ") for label in family.template.labels()]
    vocabulary = {token: number for number, token in enumerate([*alphabet, *words])}
    inner = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(token, special=True) for token in family.special])
    inner.add_tokens([AddedToken(token, special=False) for token in family.plain])
    return PreTrainedTokenizerFast(tokenizer_object=inner)
