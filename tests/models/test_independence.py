"""I4: a judge that shares anything with the native model is refused."""

from typing import Any

import pytest

from models.entry import ModelEntry
from models.errors import NotIndependent
from models.independence import assert_independent
from models.manifest import FileRecord, Manifest
from tests.models.tiny import base_document


def entry(name: str, **changes: Any) -> ModelEntry:
    return ModelEntry.model_validate(base_document(**{"id": name, "lineage": [f"test/{name}"], **changes}))


def manifest(name: str, weights: str, source: str) -> Manifest:
    return Manifest(
        id=name,
        version="1",
        lineage=(f"test/{name}",),
        fingerprint="0" * 64,
        source_digests={"w.gguf": source, "config.json": "c" * 64},
        converter={},
        files=(
            FileRecord(path="model.safetensors", sha256=weights, size=1, mtime_ns=0),
            FileRecord(path="config.json", sha256="c" * 64, size=1, mtime_ns=0),
        ),
    )


NATIVE = entry("native")
JUDGE = entry("judge", role="judge", family="yes_no")


def test_strangers_pass_even_with_an_equal_configuration() -> None:
    pair = manifest("native", "1" * 64, "2" * 64), manifest("judge", "3" * 64, "4" * 64)
    assert_independent(NATIVE, JUDGE, pair)


@pytest.mark.parametrize(
    ("judge_weights", "judge_source"),
    [("1" * 64, "4" * 64), ("3" * 64, "2" * 64), ("2" * 64, "4" * 64)],
    ids=["served weights", "delivered weights", "served here, delivered there"],
)
def test_shared_weights_are_refused(judge_weights: str, judge_source: str) -> None:
    pair = manifest("native", "1" * 64, "2" * 64), manifest("judge", judge_weights, judge_source)
    with pytest.raises(NotIndependent, match="share the weight file"):
        assert_independent(NATIVE, JUDGE, pair)


def test_shared_ancestor_is_refused_whatever_its_spelling() -> None:
    judge = entry("judge", role="judge", family="yes_no", lineage=["test/judge", " Test/NATIVE "])
    with pytest.raises(NotIndependent, match="descend"):
        assert_independent(NATIVE, judge)


def test_lineage_at_preparation_counts_too() -> None:
    native = manifest("native", "1" * 64, "2" * 64)
    judge = manifest("judge", "3" * 64, "4" * 64).model_copy(update={"lineage": ("test/native",)})
    with pytest.raises(NotIndependent, match="one lineage"):
        assert_independent(NATIVE, JUDGE, (native, judge))


def test_shared_pinned_digest_is_refused_before_anything_is_prepared() -> None:
    artefact = {"path": "model.safetensors", "sha256": "a" * 64, "size": 1}
    native = entry("native", artefacts=[artefact])
    judge = entry(
        "judge", role="judge", family="yes_no", artefacts=[{**artefact, "path": "other.safetensors"}]
    )
    with pytest.raises(NotIndependent, match=r"a{64}"):
        assert_independent(native, judge)
