"""From parts of a prompt to token ids, exactly as the serving engine does it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.cutting import starts
from models.spelling.plain import plain_spelling
from models.training.format import LABELS, Part

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LabelError(ValueError):
    """A label is not a single token of the tokenizer."""


def encode_parts(tokenizer: "PreTrainedTokenizerBase", parts: Sequence[Part], limit: int) -> list[int]:
    """Token ids of a prompt; untrusted parts are spelled plainly and cannot yield special tokens.

    A part of untrusted text longer than `limit` tokens keeps its end when it is context and its beginning
    when it is judged, as far as training is concerned; the engine never truncates.
    """
    ids: list[int] = []
    for part in parts:
        tokens = _encoded(tokenizer, part)
        if part.trusted:
            ids += tokens
        else:
            ids += tokens[:limit] if part.judged else tokens[-limit:]
    return ids


def encode_pieces(
    tokenizer: "PreTrainedTokenizerBase", parts: Sequence[Part], longest: int
) -> list[list[int]]:
    """One prompt for each piece of the judged text, of `longest` tokens at most, as serving cuts it."""
    encoded = [_encoded(tokenizer, part) for part in parts]
    at = next(index for index, part in enumerate(parts) if part.judged)
    judged = encoded[at]
    before = [token for ids in encoded[:at] for token in ids]
    after = [token for ids in encoded[at + 1 :] for token in ids]
    return [before + judged[start : start + longest] + after for start in starts(len(judged), longest)]


def _encoded(tokenizer: "PreTrainedTokenizerBase", part: Part) -> list[int]:
    text = part.text if part.trusted else plain_spelling(part.text)
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not part.trusted)
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
