"""An evaluation as one HTML file: tables, ROC curve, calibration and score histogram drawn inline."""

from collections.abc import Sequence
from html import escape

import numpy as np
from sklearn.metrics import roc_curve

from serving.judging.evaluation.metrics import bins_of
from serving.judging.evaluation.report import COLUMNS, Evaluation, cell, costs
from serving.judging.evaluation.runner import Judged

_SIZE, _EDGE = 260, 34
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c}
table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:0 1rem 1rem 0}
figcaption{font-size:13px;color:#555}svg text{font-size:10px;fill:#555}
@media(prefers-color-scheme:dark){
body{background:#181818;color:#e6e6e6}td,th{border-color:#444}svg text{fill:#aaa}}
"""


def page(evaluations: Sequence[tuple[Evaluation, Sequence[Judged]]]) -> str:
    """The whole report, judge after judge; needs no network and no script."""
    names = ", ".join(evaluation.judge for evaluation, _ in evaluations)
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        f"<title>{escape(names)}: evaluation</title><style>{_STYLE}</style>",
        "<p>Intervals: 95 %, bootstrap over rows. An undecided row counts as flagged.</p>",
        *(part for evaluation, judged in evaluations for part in _judge(evaluation, judged)),
        "<h2>Data</h2><ul>",
        *(
            f"<li>{escape(name)} <code>{digest}</code></li>"
            for name, digest in evaluations[0][0].data.items()
        ),
        "</ul></html>",
    ]
    return "\n".join(parts)


def _judge(evaluation: Evaluation, judged: Sequence[Judged]) -> list[str]:
    kinds = sorted({one.row.kind for one in judged})
    return [
        f"<h1>{escape(evaluation.judge)}</h1><p>Weights {escape(evaluation.judge_digest[:16])}. "
        f"{escape(costs(evaluation))}.</p>",
        *(figure for kind in kinds for figure in _figures(kind, judged)),
        *(_table(dimension, evaluation) for dimension in evaluation.groups),
    ]


def _table(dimension: str, evaluation: Evaluation) -> str:
    headings = "".join(f"<th>{heading}</th>" for heading in ("", "rows", "unsafe", *COLUMNS.values()))
    lines = "".join(
        f"<tr><td>{escape(group.name)}</td><td>{group.rows}</td><td>{group.unsafe}</td>"
        + "".join(f"<td>{cell(group, metric)}</td>" for metric in COLUMNS)
        + "</tr>"
        for group in evaluation.groups[dimension]
    )
    return f"<h2>By {escape(dimension)}</h2><table><tr>{headings}</tr>{lines}</table>"


def _figures(kind: str, judged: Sequence[Judged]) -> list[str]:
    members = [one for one in judged if one.row.kind == kind and one.score is not None]
    truth = np.array([one.unsafe for one in members], dtype=bool)
    scores = np.array([one.score for one in members], dtype=float)
    drawn = [_histogram(kind, truth, scores)] if members else []
    if truth.any() and not truth.all():
        false_positives, true_positives, _ = roc_curve(truth, scores)
        curve = list(zip(false_positives, true_positives, strict=True))
        drawn.append(_frame(f"ROC, {kind}", _line(curve) + _line([(0, 0), (1, 1)], "#bbb")))
        drawn.append(_frame(f"Calibration, {kind}", _calibration(truth, scores)))
    return drawn


def _calibration(truth: "np.ndarray", scores: "np.ndarray") -> str:
    index = bins_of(scores)
    points = [
        (float(scores[index == number].mean()), float(truth[index == number].mean()))
        for number in np.unique(index)
    ]
    return _line([(0, 0), (1, 1)], "#bbb") + _line(points)


def _histogram(kind: str, truth: "np.ndarray", scores: "np.ndarray") -> str:
    bars = []
    for label, colour in ((False, "#3a7d44"), (True, "#b3392f")):
        chosen = scores[truth == label]
        if not len(chosen):
            continue
        counts, _ = np.histogram(chosen, bins=20, range=(0, 1))
        for number, share in enumerate(counts / counts.max()):
            x, y = _at(number / 20 + (0.025 if label else 0.0), share)
            height = _at(0, 0)[1] - y
            bars.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="5" height="{height:.1f}" fill="{colour}"/>')
    return _frame(f"Scores, {kind}: green harmless, red harmful", "".join(bars))


def _at(x: float, y: float) -> tuple[float, float]:
    side = _SIZE - 2 * _EDGE
    return _EDGE + x * side, _SIZE - _EDGE - y * side


def _line(points: Sequence[tuple[float, float]], colour: str = "#2b5fa8") -> str:
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (_at(x, y) for x, y in points))
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _frame(caption: str, content: str) -> str:
    (left, bottom), (right, top) = _at(0, 0), _at(1, 1)
    axes = f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#888"/>'
    ticks = "".join(
        f'<text x="{_at(v, 0)[0]:.0f}" y="{bottom + 14:.0f}" text-anchor="middle">{v}</text>'
        f'<text x="{left - 4:.0f}" y="{_at(0, v)[1] + 3:.0f}" text-anchor="end">{v}</text>'
        for v in (0, 0.5, 1)
    )
    opening = f'<svg width="{_SIZE}" height="{_SIZE}" role="img" aria-label="{escape(caption)}">'
    drawing = f"{opening}{axes}{ticks}{content}</svg>"
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"
