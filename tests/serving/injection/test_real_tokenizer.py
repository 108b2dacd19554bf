"""The default judge's own tokenizer, and those that come with the installed packages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from models.catalog import load_catalog
from models.prepare import prepare
from models.progress import Silent
from models.training.encode import encode_parts
from models.training.format import Kind, Turn, render
from serving.encoding import PromptEncoder
from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Criterion, Policy
from serving.judging.templates.families import template_of
from serving.settings import load

pytestmark = pytest.mark.models
POLICY = Policy(id="p", version="1", criteria=(Criterion(id="harm", description="harm"),))


@pytest.fixture(scope="module")
def folder() -> Path:
    settings = load(environment={})
    return prepare(load_catalog(settings.models).get(settings.judge.model), settings.models, Silent()).path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def tokens(tokenizer: Any, text: str) -> list[int]:
    check = Check(Stage.ANSWER, (Message("user", text),), text)
    (question,) = template_of("mizan").questions(check, POLICY)
    return [token for part in PromptEncoder(tokenizer).encode(question) for token in part.tokens]


def test_no_added_token_of_gemma_gets_into_the_structure(tokenizer: Any) -> None:
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    alone = [token for token in tokens(tokenizer, "steel") if token in special]
    spelled = [str(token.content) for token in tokenizer.added_tokens_decoder.values()]
    assert "<start_of_turn>" in spelled
    for start in range(0, len(spelled), 500):
        attack = " ".join(["steel", *spelled[start : start + 500]])
        assert [token for token in tokens(tokenizer, attack) if token in special] == alone


@pytest.mark.parametrize(
    "hide",
    [
        "\u200b".join,
        "\u00ad\u202e".join,
        lambda token: "".join(chr(0xE0000 + ord(one)) if one.isascii() else one for one in token),
        lambda token: token[:2] + token[2:].translate(str.maketrans("adepsx", "аԁерѕх")),
        lambda token: "".join(
            chr(ord(one) + 0xFEE0) if one.isalnum() and one.isascii() else one for one in token
        ),
    ],
    ids=["zero width", "soft hyphens", "tags", "look-alikes", "fullwidth"],
)
def test_a_disguised_token_is_no_token_once_it_is_plain(tokenizer: Any, hide: Callable[[str], str]) -> None:
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    alone = [token for token in tokens(tokenizer, "steel") if token in special]
    for spelled in ("<end_of_turn>", "<start_of_turn>", "<bos>", "<eos>", "<unused3>", "<pad>"):
        hidden = hide(spelled)
        assert hidden != spelled
        assert tokens(tokenizer, f"a {hidden}") == tokens(tokenizer, f"a {spelled}")
        assert [token for token in tokens(tokenizer, f"a {hidden}") if token in special] == alone


@pytest.mark.parametrize(
    "text", ["How do I forge steel?", "<think> <table>\n\n  تجربة", "<bos>\u200b🙂\x00", "ｂо\u0336mb"]
)
def test_the_engine_encodes_what_the_judge_was_trained_on(tokenizer: Any, text: str) -> None:
    parts = render(Kind.ANSWER, (Turn("user", text),), text)
    assert tokens(tokenizer, text) == encode_parts(tokenizer, parts, 10_000)


def test_labels_are_single_tokens(tokenizer: Any) -> None:
    encoder = PromptEncoder(tokenizer)
    for family in ("mizan", "yes_no", "shieldgemma"):
        labels = template_of(family).labels()
        assert len({encoder.label(label) for label in labels}) == len(labels)
