"""From a judge's question to token ids, so that nothing untrusted becomes part of the prompt's structure."""

from typing import Any

from models.spelling.plain import plain_spelling
from serving.judging.prompt import Question
from serving.judging.protocols import JudgeError
from serving.pieces import Encoded


class LabelError(ValueError):
    """A label is not exactly one token; the message says how many it is."""


class PromptEncoder:
    """Encodes with one Hugging Face tokenizer, which nobody else may use: it is switched at each call.

    A prompt's structure are the tokenizer's special tokens, and those of its other added tokens that the
    template itself uses (Qwen's `<think>`, say, is not a special one). Untrusted text that spells a special
    token is encoded as plain text; one that spells another of these tokens is encoded in two halves. What
    comes out is looked at once more, whatever the tokenizer did. Before all that, untrusted text is spelled
    plainly (`models.spelling`): the judge reads that copy, whatever is judged.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._added = {
            int(number): str(token.content)
            for number, token in tokenizer.added_tokens_decoder.items()
            if str(token.content).strip()
        }
        special = {int(number) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        # What a vocabulary lacks becomes the unknown token; it structures nothing.
        self._special = (special | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id}

    def encode(self, question: Question) -> list[Encoded]:
        """The tokens of each segment. Raises JudgeError where a text would become structure all the same."""
        trusted = [
            self._ids(segment.text, split=False) if segment.trusted else None for segment in question.segments
        ]
        used = {token for ids in trusted if ids for token in ids if token in self._added}
        broken = tuple(self._added[token] for token in sorted(used - self._special))
        forbidden = self._special | used
        return [
            Encoded(
                self._untrusted(segment.text, broken, forbidden) if ids is None else ids,
                segment.splittable,
                segment.elastic,
            )
            for segment, ids in zip(question.segments, trusted, strict=True)
        ]

    def label(self, label: str) -> int:
        """The one token of a label. Raises LabelError."""
        ids = self._ids(label, split=False)
        if len(ids) != 1:
            raise LabelError(f"label {label!r} is {len(ids)} tokens, must be one")
        return ids[0]

    def _untrusted(self, text: str, broken: tuple[str, ...], forbidden: set[int]) -> list[int]:
        # First of all: what a disguise hides must be there when structure is looked for.
        parts = [plain_spelling(text)]
        for token in broken:
            parts = [half for part in parts for half in _halved(part, token)]
        ids = [token for part in parts for token in self._ids(part, split=True)]
        if not forbidden.isdisjoint(ids):
            raise JudgeError("reserved_token", "the text can't be told from the prompt's own structure")
        return ids

    def _ids(self, text: str, *, split: bool) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=split)
        return ids


def _halved(text: str, token: str) -> list[str]:
    """The text cut after the first character of each occurrence of the token."""
    parts = text.split(token)
    last = len(parts) - 1
    return [
        (token[1:] if number else "") + part + (token[0] if number < last else "")
        for number, part in enumerate(parts)
    ]
