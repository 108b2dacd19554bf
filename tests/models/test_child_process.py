"""No child survives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from models import child_process

PARENT = """
import sys
from pathlib import Path
from models import child_process
child = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(120)"
child_process.run(["-c", child, sys.argv[1]], log=Path(sys.argv[2]), extra_env={})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can bind a child to its parent")
def test_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    environment = {**os.environ, "PYTHONPATH": str(Path(child_process.__file__).parents[1])}
    parent = subprocess.Popen(  # noqa: S603 - this interpreter and the text above
        [sys.executable, "-c", PARENT, str(pid_file), str(tmp_path / "log")], env=environment
    )
    deadline = time.monotonic() + 60
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = psutil.Process(int(pid_file.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    child.wait(timeout=60)


def test_failure_is_told_by_the_last_line(tmp_path: Path) -> None:
    outcome = child_process.run(
        ["-c", "import os; print(os.environ['WHAT']); raise SystemExit('why')"],
        log=tmp_path / "log",
        extra_env={"WHAT": "what"},
    )
    assert (outcome.returncode, outcome.last_line, outcome.disk_full) == (1, "why", False)
    assert outcome.output.splitlines() == ["what", "why"]
