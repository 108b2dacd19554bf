"""What the conversion puts back into a tokenizer."""

import json
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from models.gguf_conversion import repair_tokenizer, repair_tokenizer_config
from models.schema.conversion import GgufConversion


def options(*, prepend_bos: bool = False, split_digits: bool = False) -> GgufConversion:
    return GgufConversion(
        kind="gguf", artefact="x.gguf", result_bytes=1, prepend_bos=prepend_bos, split_digits=split_digits
    )


@pytest.fixture
def document() -> dict[str, Any]:
    vocabulary = {"<bos>": 0, "a": 1, "1": 2, "2": 3, "12": 4, "Ġ": 5, "ĠĠ": 6}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("1", "2"), ("Ġ", "Ġ")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<bos>"])
    parsed: dict[str, Any] = json.loads(tokenizer.to_str())
    return parsed


def ids(document: dict[str, Any], text: str) -> list[int]:
    return list(Tokenizer.from_str(json.dumps(document)).encode(text).ids)


def test_without_rules_nothing_changes(document: dict[str, Any]) -> None:
    assert repair_tokenizer(document, options(), "<bos>") == document


def test_bos_starts_every_text_once(document: dict[str, Any]) -> None:
    repaired = repair_tokenizer(document, options(prepend_bos=True), "<bos>")
    assert ids(document, "a") == [1]
    assert ids(repaired, "a") == [0, 1]
    assert ids(repaired, "") == [0]
    assert Tokenizer.from_str(json.dumps(repaired)).encode("a", add_special_tokens=False).ids == [1]


def test_digits_stand_alone_and_leave_blanks_together(document: dict[str, Any]) -> None:
    repaired = repair_tokenizer(document, options(split_digits=True), "<bos>")
    assert ids(document, "a  12") == [1, 5, 5, 4]
    assert ids(repaired, "a  12") == [1, 6, 2, 3]


@pytest.mark.parametrize("bos", [None, "<s>"])
def test_bos_that_does_not_exist_is_refused(document: dict[str, Any], bos: str | None) -> None:
    with pytest.raises(ValueError, match="bos"):
        repair_tokenizer(document, options(prepend_bos=True), bos)


def test_config_keeps_no_traces_of_the_machine() -> None:
    config = {"bos_token": "<bos>", "is_local": True, "local_files_only": True}
    assert repair_tokenizer_config(config, options()) == {"bos_token": "<bos>"}
    assert repair_tokenizer_config(config, options(prepend_bos=True))["add_bos_token"] is True
