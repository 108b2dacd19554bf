"""From parts of a prompt to token ids, exactly as the serving engine does it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.training.format import LABELS, Part

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LabelError(ValueError):
    """A label is not a single token of the tokenizer."""


def encode_parts(tokenizer: "PreTrainedTokenizerBase", parts: Sequence[Part], limit: int) -> list[int]:
    """Token ids of a prompt; untrusted parts cannot yield special tokens.

    A part of untrusted text longer than `limit` tokens keeps its end when it is context and its beginning
    when it is judged, as far as training is concerned; the engine never truncates.
    """
    ids: list[int] = []
    for part in parts:
        if part.trusted:
            ids += tokenizer.encode(part.text, add_special_tokens=False)
            continue
        piece = tokenizer.encode(part.text, add_special_tokens=False, split_special_tokens=True)
        ids += piece[:limit] if part.judged else piece[-limit:]
    return ids


def label_ids(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, int]:
    """Token ids of the unsafe and the safe label. Raises LabelError."""
    found = []
    for label in LABELS:
        ids = tokenizer.encode(label, add_special_tokens=False)
        if len(ids) != 1:
            raise LabelError(f"label {label!r} is {len(ids)} tokens")
        found.append(ids[0])
    return found[0], found[1]
