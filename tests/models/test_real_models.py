"""The embedded models as prepared in the user's own cache: tokenizers as their makers meant them."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.catalog import load_catalog
from models.errors import NotPrepared
from models.independence import assert_independent
from models.locate import locate
from models.prepared import PreparedModel
from models.settings import ModelsSettings

pytestmark = pytest.mark.models


def prepared(model_id: str) -> PreparedModel:
    settings = ModelsSettings()
    try:
        return locate(load_catalog(settings).get(model_id), settings)
    except NotPrepared as error:
        pytest.skip(f"{error} (mizan models prepare --all-default)")


@cache
def tokenizer_of(model_id: str) -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415 - seconds that skipped tests save

    return AutoTokenizer.from_pretrained(prepared(model_id).path, local_files_only=True)


def test_smollm2_speaks_chatml_and_stops_at_its_end_of_turn() -> None:
    tokenizer = tokenizer_of("smollm2-135m-instruct")
    chat = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer("<|im_start|>a<|im_end|>")["input_ids"] == [1, 81, 2]
    assert tokenizer.decode([1, 81, 2], skip_special_tokens=True) == "a"


def test_smollm2_reads_every_digit_on_its_own() -> None:
    tokenizer = tokenizer_of("smollm2-135m-instruct")
    assert tokenizer("1  567")["input_ids"] == [33, 256, 37, 38, 39]


def test_gemma_starts_with_bos_once_and_knows_its_turns() -> None:
    tokenizer = tokenizer_of("gemma-3-270m-judge")
    assert tokenizer("Hello world")["input_ids"] == [2, 9259, 1902]
    assert tokenizer("<start_of_turn>user\nhi<end_of_turn>\n")["input_ids"] == [
        2,
        105,
        2364,
        107,
        2202,
        106,
        107,
    ]
    assert tokenizer("Hello world", add_special_tokens=False)["input_ids"] == [9259, 1902]


@pytest.mark.parametrize("text", ["سلام، كيف حالك؟", "Où est l'école ?", "واش كاين شي حل؟", "a\n\n  b\tc 12"])
@pytest.mark.parametrize("model_id", ["smollm2-135m-instruct", "gemma-3-270m-judge"])
def test_text_survives_the_tokenizer(model_id: str, text: str) -> None:
    tokenizer = tokenizer_of(model_id)
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_gemma_keeps_its_terms_beside_the_weights() -> None:
    names = {path.name for path in Path(prepared("gemma-3-270m-judge").path).iterdir()}
    assert {"GEMMA_TERMS.html", "NOTICE.md", "model.safetensors"} <= names


def test_conversion_gives_the_same_files_here_as_elsewhere() -> None:
    for model_id in ("smollm2-135m-instruct", "gemma-3-270m-judge"):
        model = prepared(model_id)
        assert model.entry.conversion is not None
        assert model.digest == model.entry.conversion.reproduces


def test_embedded_pair_is_independent_down_to_its_files() -> None:
    native, judge = prepared("smollm2-135m-instruct"), prepared("gemma-3-270m-judge")
    assert_independent(native.entry, judge.entry, (native.manifest, judge.manifest))
