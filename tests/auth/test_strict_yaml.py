"""YAML without silent replacement."""

import pytest
import yaml

from auth.strict_yaml import DuplicateKey, load


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: 1\na: 2", "'a'"),
        ("a: 1\n'a': 2", "'a'"),
        ("x: [{b: {c: 1, c: 1}}]", "'c'"),
        ("1: a\n0x1: b", "1"),
        ("<<: {a: 1, a: 2}", "'a'"),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}", "'<<'"),
        ("? [a, b]\n: 1\nc: 1\nc: 2", "'c'"),
    ],
)
def test_a_key_given_twice(text: str, key: str) -> None:
    with pytest.raises(DuplicateKey, match=f"^the key {key} is given twice, in line . and in line .$"):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: {x: 1}\nb: {x: 1}",
        "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, x: 3}\nd: {<<: [*a, *b]}",
        "a: &a {x: 1}\nb: *a\nc: *a",
        "- 2026-11-23\n- !!binary aGVsbG8=\n- [1, null, true, .5]",
    ],
)
def test_all_else_is_read_as_ever(text: str) -> None:
    assert load(text) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["a: [", "!!python/object:os.system x", "[a]: 1", "? {a: 1}\n: 2", "\0"])
def test_what_is_refused_as_ever(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load(text)
