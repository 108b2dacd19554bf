"""The judge that is measured is the judge that serves: vLLM and transformers score alike."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

import models.training
from models.catalog import load_catalog
from models.prepare import prepare
from models.progress import Silent
from models.training.rows import Row, read_rows
from serving.settings import load

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
    settings = load(environment={})
    entry = load_catalog(settings.models).get(settings.judge.model)
    prepared = prepare(entry, settings.models, Silent())
    model = {
        "id": entry.id,
        "folder": str(prepared.path),
        "family": entry.family,
        "digest": prepared.digest,
        "arguments": {**prepared.engine_args("cpu"), "distributed_executor_backend": "uni"},
    }
    asked = {"model": model, "rows": [row.model_dump() for row in rows()]}
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.judge_agreement"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    assert lines, done.stderr[-3000:]
    seen = json.loads(lines[0].removeprefix("SEEN "))
    pairs = list(zip(seen["transformers"], seen["vllm"], strict=True))
    assert len(pairs) >= 40
    differences = [abs(one - other) for one, other in pairs]
    assert max(differences) < TOLERANCE, pairs
    assert sum(differences) / len(differences) < TOLERANCE / 4
    assert max(one for one, _ in pairs) - min(one for one, _ in pairs) > 0.5, "the rows tell the two apart"
