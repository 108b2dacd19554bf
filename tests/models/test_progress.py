"""Bars on a terminal, lines elsewhere."""

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from models.progress import Bars, Lines, for_console, growing


def test_lines_where_there_is_no_terminal() -> None:
    text = io.StringIO()
    with for_console(Console(file=text)) as progress, progress.stage("m: download", 5_000_000) as stage:
        assert isinstance(progress, Lines)
        stage.reached(1)
    first, last = text.getvalue().splitlines()
    assert first == "m: download (5 MB) …"
    assert last.startswith("m: download: done in ")


def test_bars_on_a_terminal_count_bytes_and_drop_failed_steps() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80)
    with for_console(console) as progress:
        assert isinstance(progress, Bars)
        with progress.stage("m: download", 5_000_000) as stage:
            stage.reached(5_000_000)
        with pytest.raises(ValueError, match="broken"), progress.stage("m: verify"):
            raise ValueError("broken")
    last = text.getvalue().rsplit("\x1b[1A", 1)[-1]
    assert "5/5 MB" in last
    assert "verify" not in last


def test_growth_of_a_folder_is_reported(tmp_path: Path) -> None:
    seen: list[int] = []

    class Recorder:
        def reached(self, done: int) -> None:
            seen.append(done)

    with growing(tmp_path, Recorder(), offset=100, every=0.01):
        (tmp_path / "part").write_bytes(bytes(50))
        while 150 not in seen:
            time.sleep(0.01)
    assert set(seen) <= {100, 150}
