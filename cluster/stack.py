"""Bringing a stack up and down from the outside: what `mizan up` and `mizan down` do."""

import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from auth.private_file import write_private
from cluster.environment import stack_environment
from cluster.instance import Instance, Phase, Report
from cluster.processes import end, marked, supervisor_alive

Heard = Callable[[Report], None]


class StackError(Exception):
    """The stack can't be brought up; the message says why, and where to read more."""


def running(instance: Instance) -> Report | None:
    """The report of the stack's supervisor if that still runs."""
    report = instance.report()
    return report if supervisor_alive(report) else None


def bring_up(instance: Instance, config: Path | None, heard: Heard, patience: float) -> None:
    """Start a stack in the background and return when it is ready. Models must be prepared.

    What a killed predecessor left behind is ended first. Raises StackError; nothing is left running then.
    """
    instance.make_folders()
    try:
        with FileLock(instance.folder / "up.lock", timeout=0):
            _bring_up(instance, config, heard, patience)
    except Timeout as error:
        raise StackError("another `mizan up` of this stack is under way") from error


def _bring_up(instance: Instance, config: Path | None, heard: Heard, patience: float) -> None:
    if running(instance) is not None:
        raise StackError(f"the stack is already running at {instance.url}; stop it with: mizan down")
    sweep(instance)
    shutil.rmtree(instance.metrics, ignore_errors=True)
    instance.metrics.mkdir(parents=True)
    write_private(instance.ray_token, secrets.token_hex(32))
    command = [sys.executable, "-m", "cluster.supervisor"]
    if config is not None:
        command += ["--config", str(config.absolute())]
    supervisor = _spawn(command, instance)
    try:
        _await_ready(instance, supervisor, heard, patience)
    except BaseException:
        keep_logs(instance)
        bring_down(instance)
        raise


def bring_down(instance: Instance, patience: float = 30.0) -> int:
    """Stop a stack and whatever carries its mark. Returns how many processes there were."""
    processes = marked(instance)
    report = running(instance)
    if report is not None:
        supervisor = [process for process in processes if process.pid == report.pid]
        end(supervisor, patience)
    sweep(instance)
    instance.forget()
    return len(processes)


def sweep(instance: Instance) -> int:
    """End every process that carries the stack's mark. Returns how many there were."""
    leftovers = marked(instance)
    end(leftovers)
    if instance.settings.ray.address is None:
        shutil.rmtree(instance.ray_folder, ignore_errors=True)
    return len(leftovers)


def keep_logs(instance: Instance) -> None:
    """Copy the replicas' logs out of Ray's folder, which goes with the stack: a failure can be read."""
    kept = instance.folder / "last-failure"
    shutil.rmtree(kept, ignore_errors=True)
    logs = instance.ray_folder / "session_latest" / "logs"
    if logs.is_dir():
        shutil.copytree(logs, kept, ignore_dangling_symlinks=True, ignore=shutil.ignore_patterns("*.sock"))


def _spawn(command: list[str], instance: Instance) -> psutil.Process:
    """Start a process in a session of its own, its output in the stack's log; it outlives its parent."""
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        command,
        stack_environment(instance),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(instance.log), log_flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return psutil.Process(pid)


def _await_ready(instance: Instance, process: psutil.Process, heard: Heard, patience: float) -> None:
    deadline = time.monotonic() + patience
    last: Report | None = None
    while time.monotonic() < deadline:
        report = instance.report()
        if report is not None and report.pid == process.pid and report != last:
            last = report
            heard(report)
            if report.phase is Phase.READY:
                return
            if report.phase is Phase.FAILED:
                raise StackError(f"{report.detail} (log: {instance.log})")
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise StackError(f"the supervisor ended (log: {instance.log})")
        time.sleep(0.1)
    raise StackError(f"the stack is not ready after {patience:.0f} s (log: {instance.log})")
