"""An evaluation as a table for the terminal and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from serving.judging.evaluation.metrics import Group

COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "false_positive_rate": "false pos.",
    "auroc": "AUROC",
    "ece": "ECE",
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, with what, on what."""

    judge: str
    judge_digest: str
    policy: str
    data: dict[str, str]
    groups: dict[str, list[Group]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def cell(group: Group, metric: str) -> str:
    """`0.91 (0.88-0.94)`, empty where the figure is undefined."""
    figure = group.figures.get(metric)
    return "" if figure is None else f"{figure.value:.2f} ({figure.low:.2f}-{figure.high:.2f})"


def table(evaluation: Evaluation, dimensions: Sequence[str] = ("file", "language", "kind", "all")) -> Table:
    """One line a group; intervals are 95 %."""
    result = Table(title=f"{evaluation.judge} · policy {evaluation.policy}")
    for heading in ("", "rows", "unsafe", *COLUMNS.values(), "p50 ms", "tokens"):
        result.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for dimension in dimensions:
        for group in evaluation.groups[dimension]:
            result.add_row(
                group.name,
                str(group.rows),
                str(group.unsafe),
                *(cell(group, metric) for metric in COLUMNS),
                f"{1000 * group.latency_p50:.0f}",
                f"{group.mean_tokens:.0f}",
            )
        result.add_section()
    return result
