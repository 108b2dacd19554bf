"""Evaluations as a table for the terminal, side by side where there are several, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from serving.judging.evaluation.metrics import Group

COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "false_positive_rate": "false pos.",
    "auroc": "AUROC",
    "ece": "ECE",
}
DIMENSIONS = ("file", "language", "source", "kind", "all")
ONE_LINE = 150
"""Columns of a terminal from which a figure and its interval stand on one line."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, with what, on what. `concurrency` rows were judged at a time,
    `growing` answers window by window."""

    judge: str
    judge_digest: str
    policy: str
    data: dict[str, str]
    groups: dict[str, list[Group]]
    backend: str = "transformers"
    concurrency: int = 1
    growing: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def whole(self) -> Group:
        return self.groups["all"][0]


def cell(group: Group, metric: str) -> str:
    """`0.91 (0.88-0.94)`, empty where the figure is undefined."""
    figure = group.figures.get(metric)
    return "" if figure is None else f"{figure.value:.2f} ({figure.low:.2f}-{figure.high:.2f})"


def table(
    evaluations: Sequence[Evaluation], width: int = ONE_LINE, dimensions: Sequence[str] = DIMENSIONS
) -> Table:
    """One entry for each group and judge; intervals are 95 %. Fits 80 columns, in two lines an entry.

    Several judges must have been measured on the same rows.
    """
    narrow, several = width < ONE_LINE, len(evaluations) > 1
    result = Table(
        title=Text(
            " · ".join(f"{letter}: {one.judge}" for letter, one in _lettered(evaluations))
            if several
            else evaluations[0].judge
        ),
        caption=Text("\n".join(map(costs, evaluations))),
        box=box.SIMPLE_HEAD if narrow else box.HEAVY_HEAD,
        pad_edge=not narrow,
        padding=(0, 1, 0, 0) if narrow else (0, 1),
    )
    result.add_column("", overflow="fold", ratio=1 if narrow else None)
    headings = ["rows\nunsafe"] if narrow else ["rows", "unsafe"]
    headings += ["false\npos." if narrow and name == "false pos." else name for name in COLUMNS.values()]
    for heading in [*([""] if several else []), *headings]:
        result.add_column(heading, justify="right", no_wrap=True)
    for dimension in dimensions:
        for place, group in enumerate(evaluations[0].groups[dimension]):
            for number, (letter, one) in enumerate(_lettered(evaluations)):
                measured = one.groups[dimension][place]
                rows = [str(group.rows), str(group.unsafe)] if number == 0 else ["", ""]
                result.add_row(
                    Text((group.name or "-") if number == 0 else ""),
                    *([letter] if several else []),
                    *(["\n".join(rows)] if narrow else rows),
                    *(_stacked(measured, metric) if narrow else cell(measured, metric) for metric in COLUMNS),
                )
        result.add_section()
    return result


def costs(evaluation: Evaluation) -> str:
    """What a verdict cost, over all rows."""
    whole = evaluation.whole
    growing = "answers as they grow; " if evaluation.growing else ""
    return (
        f"{evaluation.judge}, policy {evaluation.policy}: latency p50 {1000 * whole.latency_p50:.0f} ms, "
        f"p95 {1000 * whole.latency_p95:.0f} ms ({evaluation.backend}, {evaluation.concurrency} at a time); "
        f"{growing}{whole.mean_tokens:.0f} tokens a verdict; {whole.undecided} undecided"
    )


def _stacked(group: Group, metric: str) -> str:
    """The figure, and below it `.88-.94`."""
    figure = group.figures.get(metric)
    if figure is None:
        return ""
    return f"{figure.value:.2f}\n{_short(figure.low)}-{_short(figure.high)}"


def _short(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")


def _lettered(evaluations: Sequence[Evaluation]) -> list[tuple[str, Evaluation]]:
    return list(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", evaluations, strict=False))
