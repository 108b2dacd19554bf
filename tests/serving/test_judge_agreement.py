"""The judge that is measured is the judge that serves: vLLM and transformers score alike."""

import json
from itertools import islice
from pathlib import Path

import pytest

import models.training
from models.training.rows import Row, read_rows
from tests.serving.engine_programs import default_model, engine_arguments, seen_by

pytestmark = [pytest.mark.models, pytest.mark.timeout(960)]

TOLERANCE = 0.06
"""Difference of two probabilities: two steps of a label's logit, which is a bfloat16 around 16 in both."""

ROWS_EACH = 7


def rows() -> list[Row]:
    """Some of each file of the judge's own data: requests, answers, comments, in four languages."""
    folder = Path(next(iter(models.training.__path__))) / "data"
    chosen: list[Row] = []
    for path in sorted(folder.glob("*.jsonl")):
        every = list(read_rows(path))
        chosen += islice(every, 0, None, max(1, len(every) // ROWS_EACH))
    return chosen[:45]


def test_vllm_and_transformers_score_alike() -> None:
    prepared = default_model("judge")
    model = {
        "id": prepared.entry.id,
        "folder": str(prepared.path),
        "family": prepared.entry.family,
        "digest": prepared.digest,
        "arguments": engine_arguments(prepared),
    }
    asked = {"model": model, "rows": [row.model_dump() for row in rows()]}
    seen = seen_by("tests.serving.judge_agreement", given=json.dumps(asked))
    pairs = list(zip(seen["transformers"], seen["vllm"], strict=True))
    assert len(pairs) >= 40
    differences = [abs(one - other) for one, other in pairs]
    assert max(differences) < TOLERANCE, pairs
    assert sum(differences) / len(differences) < TOLERANCE / 4
    assert max(one for one, _ in pairs) - min(one for one, _ in pairs) > 0.5, "the rows tell the two apart"
