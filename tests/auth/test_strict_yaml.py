"""YAML without silent replacement, and what would take all memory or the whole stack is refused at once."""

import pytest
import yaml

from auth.strict_yaml import DEEPEST, MOST_REPEATED, DuplicateKey, UnreadableYaml, load

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}\n" for level in range(1, 10)
)


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
        "[" * DEEPEST + "]" * DEEPEST,
        "a: &a [x, x]\nb: [" + "*a, " * (MOST_REPEATED // 3) + "]",
        "- 2026-11-23\n- !!binary aGVsbG8=\n- [1, null, true, .5]",
    ],
)
def test_all_else_is_read_as_ever(text: str) -> None:
    assert load(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "expected the node content, but found '<stream end>', in line 1, column 5"),
        ("!!python/object:os.system x", "could not determine a constructor"),
        ("[a]: 1", "unhashable key"),
        ("? {a: 1}\n: 2", "unhashable key"),
        ("a: 1\n---\nb: 1", "expected a single document"),
        ("a: *b", "undefined alias"),
        ("a:\n\tb: 1", "cannot start any token, in line 2, column 1"),
        ("\0", "unacceptable character"),
        ("[" * 3000, "nested more than 64 levels deep, in line 1"),
        ("- " * 3000 + "x", "nested more than 64 levels deep"),
        ("a:\n  b: &b [x, *b]", "an alias in line 2 stands for what contains it"),
        (LAUGHS, "aliases repeat more than 100000 values, in line 5"),
        (MERGES, "aliases repeat more than 100000 values"),
        ("2024-13-45", "month must be in 1..12"),
        ("9" * 5000, "a value cannot be read: Exceeds the limit"),
        ("!!float x", "could not convert"),
        ("!!bool 7", "not what its tag says"),
        ("!!timestamp x", "not what its tag says"),
        ("!!int ''", "not what its tag says"),
        (r'a: "\ud800"', "half a surrogate pair"),
    ],
)
def test_what_is_refused_is_said_in_one_line(text: str, says: str) -> None:
    with pytest.raises(UnreadableYaml) as caught:
        load(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
