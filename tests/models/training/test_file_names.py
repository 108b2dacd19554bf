"""Names of files that are called the same."""

import hashlib
from pathlib import Path

import pytest

from models.training.file_names import distinct_names, stems
from models.training.rows import digests


@pytest.mark.parametrize(
    ("paths", "names", "short"),
    [
        (["x.jsonl"], ["x.jsonl"], ["x"]),
        (["/a/x.jsonl", "/a/y.jsonl"], ["x.jsonl", "y.jsonl"], ["x", "y"]),
        (
            ["/a/x.jsonl", "/b/x.jsonl", "/b/y.jsonl"],
            ["a/x.jsonl", "b/x.jsonl", "y.jsonl"],
            ["a/x", "b/x", "y"],
        ),
        (["/a/1/x.jsonl", "/b/1/x.jsonl"], ["a/1/x.jsonl", "b/1/x.jsonl"], ["a/1/x", "b/1/x"]),
        (["/a/x.jsonl", "/b/../b/x.jsonl"], ["a/x.jsonl", "b/x.jsonl"], ["a/x", "b/x"]),
        (["/x.jsonl", "/a/x.jsonl"], ["/x.jsonl", "a/x.jsonl"], ["/x", "a/x"]),
        (["/a/x.jsonl", "/a/x.json"], ["x.jsonl", "x.json"], ["x.jsonl", "x.json"]),
    ],
)
def test_the_shortest_end_that_no_other_has(paths: list[str], names: list[str], short: list[str]) -> None:
    assert distinct_names([Path(path) for path in paths]) == names
    assert stems(names) == short


def test_no_digest_is_lost(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "x.jsonl" for folder in ("A", "B")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(str(path))
    expected = {
        f"{path.parent.name}/x.jsonl": hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }
    assert digests(paths) == expected
