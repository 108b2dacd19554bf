"""Run as a program: has one judge score the same rows by vLLM and by plain transformers; prints JSON."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.training.rows import Row
from serving.judging.evaluation.backends import Backend, JudgeModel, open_judge
from serving.judging.evaluation.runner import judge_rows
from serving.judging.policy import Criterion, Policy

POLICY = Policy(id="p", version="1", criteria=(Criterion(id="harm", description="harm"),))


async def scores(model: JudgeModel, backend: Backend, rows: Sequence[Row]) -> list[float | None]:
    async with open_judge(model, backend) as judge:
        return [one.score for one in await judge_rows(judge, POLICY, rows, concurrency=8)]


def main() -> None:
    given: dict[str, Any] = json.loads(sys.stdin.read())
    model = JudgeModel(**{**given["model"], "folder": Path(given["model"]["folder"]), "lineage": ()})
    rows = [Row.model_validate(row) for row in given["rows"]]
    found = {
        "transformers": asyncio.run(scores(model, "transformers", rows)),
        "vllm": asyncio.run(scores(model, "vllm", rows)),
    }
    print("SEEN " + json.dumps(found))


if __name__ == "__main__":
    main()
