"""Child processes that cannot outlive this one and whose failure is told in one sentence."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Outcome:
    """How a child ended."""

    returncode: int
    output: str

    @property
    def last_line(self) -> str:
        """The last words of the child, where Python and pip put the reason."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"

    @property
    def disk_full(self) -> bool:
        """Whether it failed for want of disk space."""
        return "No space left on device" in self.output or "Errno 28" in self.output


def run(arguments: Sequence[str], *, log: Path, extra_env: Mapping[str, str]) -> Outcome:
    """Run `python <arguments>` with this interpreter until it ends; output goes to the log file.

    The kernel kills the child when this process dies, kill -9 included, so that no half-done
    download or conversion goes on writing into a folder that the next preparation cleans.
    """
    with log.open("wb") as output:
        completed = subprocess.run(  # noqa: S603 - fixed module names and validated catalog values, no shell
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Unbuffered, or what was printed would come after the reason for the end.
            env={**os.environ, "PYTHONUNBUFFERED": "1", **extra_env},
            preexec_fn=_die_with_parent,
            check=False,
        )
    return Outcome(completed.returncode, log.read_text(encoding="utf-8", errors="replace"))


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
