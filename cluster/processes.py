"""Finding and ending the processes of a stack, whoever their parents were."""

import importlib.util
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from cluster.instance import MARK_VARIABLE, Instance, Report


def marked(instance: Instance) -> list[psutil.Process]:
    """All processes that carry the stack's mark, and their descendants; not the caller and its ancestors.

    Some programs overwrite their environment when they change their title; those are found through their
    parents, and Ray's own daemons by the stack's Ray folder on their command line. Whoever else names that
    folder, reading a log in it for instance, is left alone.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    roots = [
        process for process in psutil.process_iter() if process.pid not in own and _belongs(process, instance)
    ]
    found = {process.pid: process for process in roots}
    for root in roots:
        found.update({child.pid: child for child in _descendants(root) if child.pid not in own})
    return list(found.values())


def end(processes: Iterable[psutil.Process], patience: float = 5.0) -> int:
    """Ask processes to end, then kill what is left after `patience` seconds. Returns how many were killed."""
    remaining = list(processes)
    for process in remaining:
        _signal(process.terminate)
    _, alive = psutil.wait_procs(remaining, timeout=patience)
    for process in alive:
        _signal(process.kill)
    psutil.wait_procs(alive, timeout=patience)
    return len(alive)


def memory(processes: Iterable[psutil.Process]) -> int:
    """Bytes of memory that processes hold; one that has ended meanwhile holds none."""
    held = 0
    for process in processes:
        with suppress(psutil.Error):
            held += process.memory_info().rss
    return held


def supervisor_alive(report: Report | None) -> bool:
    """Whether the process that wrote the report still runs, and is the same."""
    if report is None:
        return False
    try:
        process = psutil.Process(report.pid)
        return bool(
            process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - report.started) < 2
        )
    except psutil.Error:
        return False


def _belongs(process: psutil.Process, instance: Instance) -> bool:
    try:
        if process.environ().get(MARK_VARIABLE) == instance.mark:
            return True
        words = process.cmdline()
        return any(str(instance.ray_folder) in word for word in words) and _is_of_ray(process, words)
    except (psutil.Error, OSError):
        return False


def _is_of_ray(process: psutil.Process, words: list[str]) -> bool:
    """Whether what runs is a program of Ray, or a script of Ray's in Python."""
    package = ray_package()
    if package is None:
        return False
    program = Path(process.exe())
    if program.is_relative_to(package):
        return True
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    return program.name.startswith("python") and Path(script).is_relative_to(package)


def ray_package() -> Path | None:
    """The folder of Ray's package, found without importing it; that takes seconds."""
    found = importlib.util.find_spec("ray")
    return None if found is None or found.origin is None else Path(found.origin).parent


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _signal(send: "object") -> None:
    try:
        send()  # type: ignore[operator]  # a bound method of psutil.Process, which is untyped here
    except psutil.Error:
        return
