"""The report for programs."""

from pathlib import Path

from benchmarks.reports.document import BenchmarkReport


def write_json(report: BenchmarkReport, path: Path) -> None:
    """Writes it whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(report.model_dump_json(indent=2) + "\n", "utf-8")
    part.replace(path)
