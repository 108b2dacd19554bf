"""Programs with a real engine, each in a process of its own: vLLM's warnings and its memory stay there."""

import json
import os
import subprocess
import sys
from typing import Any

from models.catalog import load_catalog
from models.prepare import prepare
from models.prepared import PreparedModel
from models.progress import Silent
from serving.engine_environment import engine_environment
from serving.settings import load


def default_model(role: str) -> PreparedModel:
    """The model of the settings for `native` or `judge`, prepared."""
    settings = load(environment={})
    name = {"native": settings.native.model, "judge": settings.judge.model}[role]
    return prepare(load_catalog(settings.models).get(name), settings.models, Silent())


def engine_arguments(prepared: PreparedModel) -> dict[str, Any]:
    """What a replica on a CPU starts vLLM with."""
    return {**prepared.engine_args("cpu"), "distributed_executor_backend": "uni"}


def seen_by(module: str, *arguments: str, given: str = "", seconds: float = 900) -> dict[str, Any]:
    """Run `python -m module` and return what it prints as JSON after `SEEN`."""
    quiet = {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(  # noqa: S603  our own modules
        [sys.executable, "-m", module, *arguments],
        input=given,
        env={**os.environ, **engine_environment("cpu", 1), **quiet},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    assert lines, done.stderr[-3000:]
    facts: dict[str, Any] = json.loads(lines[0].removeprefix("SEEN "))
    return facts
