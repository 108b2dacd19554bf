"""A gateway that runs as a process of its own: started, awaited, ended."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from benchmarks.conformance.gateways.gateway import GatewayError

_PATIENCE = 300.0
"""Seconds a gateway may take to start."""


@contextmanager
def server_process(
    command: Sequence[str], environ: Mapping[str, str], ready: str, folder: Path
) -> Iterator[psutil.Process]:
    """Run a server until the block ends; `ready` is an address that answers once it serves.

    Its output goes to `server.log` in `folder`. Raises GatewayError with that log's end.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        started = subprocess.Popen(  # noqa: S603  a command of ours
            list(command), cwd=folder, env=dict(environ), stdout=output, stderr=subprocess.STDOUT
        )
        process = psutil.Process(started.pid)
        try:
            _await(started, ready, log)
            yield process
        finally:
            kill(process)
            started.wait()


def kill(process: psutil.Process) -> None:
    """End a process and its children without a chance to clean up."""
    try:
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


def _await(started: "subprocess.Popen[bytes]", ready: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if started.poll() is not None:
            raise GatewayError(f"the server ended with status {started.returncode}: {_tail(log)}")
        try:
            if httpx.get(ready, trust_env=False, timeout=5).status_code < 500:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise GatewayError(f"the server does not answer after {_PATIENCE:.0f} s: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text("utf-8", errors="replace")[-600:].strip()
