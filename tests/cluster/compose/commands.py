"""Running the scripts and programs of an installation."""

import subprocess
from collections.abc import Mapping, Sequence
from typing import IO


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, *, fails: bool = False) -> str:
    """Run a program to its end and return what it said: on standard error where it `fails`."""
    done = subprocess.run(  # noqa: S603 - the tests' own command lines
        list(command), env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return (done.stderr if fails else done.stdout).strip()


def begin(
    command: Sequence[str], log: IO[bytes], environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a server; what it says goes to `log`."""
    return subprocess.Popen(list(command), env=environment, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - as above
