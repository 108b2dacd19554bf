"""Finding and ending a stack's processes: all of its own, and no one else's."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cluster.instance import MARK_VARIABLE, Instance, Phase, Report
from cluster.processes import end, marked, memory, ray_package, supervisor_alive
from cluster.stack import bring_down, running, sweep
from serving.settings import Settings

SLEEP = "import time; time.sleep(120)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); {SLEEP}"

ORPHAN = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
print(child.pid, flush=True)
"""
"""Leaves a grandchild behind, which init adopts."""

FORGETFUL = f"""
import os, subprocess, sys, time
environment = {{k: v for k, v in os.environ.items() if k != {MARK_VARIABLE!r}}}
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], env=environment)
print(child.pid, flush=True)
time.sleep(120)
"""
"""Has a child that does not carry the mark."""

Spawn = Callable[..., "subprocess.Popen[str]"]
Run = Callable[[list[str]], "subprocess.Popen[bytes]"]


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    instance = Instance(Settings(state=tmp_path / "state"))
    instance.make_folders()
    return instance


@pytest.fixture
def spawn(instance: Instance) -> Iterator[Spawn]:
    """Start a Python program with the stack's mark, or with `mark`; everything started is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str, mark: str | None = instance.mark) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if name != MARK_VARIABLE}
        if mark is not None:
            environment[MARK_VARIABLE] = mark
        command = [sys.executable, "-c", program, *arguments]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603  ours
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    end(marked(instance))


@pytest.fixture
def run() -> Iterator[Run]:
    """Start a command without any mark; everything started is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str]) -> "subprocess.Popen[bytes]":
        environment = {name: value for name, value in os.environ.items() if name != MARK_VARIABLE}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)  # noqa: S603  ours
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def first_line(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def found(instance: Instance) -> set[int]:
    return {process.pid for process in marked(instance)}


def awaited(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """A process that has just been started has its parent's environment until it has become its program."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_marked_processes_and_no_others(instance: Instance, spawn: Spawn) -> None:
    ours, theirs, nobodys = spawn(SLEEP), spawn(SLEEP, mark="another stack"), spawn(SLEEP, mark=None)
    assert awaited(lambda: found(instance) == {ours.pid})
    assert sweep(instance) == 1
    assert ours.poll() is not None
    assert theirs.poll() is None
    assert nobodys.poll() is None
    assert found(instance) == set()


def test_a_grandchild_that_init_has_adopted(instance: Instance, spawn: Spawn) -> None:
    parent = spawn(ORPHAN)
    orphan = psutil.Process(first_line(parent))
    parent.wait(10)
    assert orphan.ppid() != parent.pid
    assert orphan.pid in found(instance)
    sweep(instance)
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


def test_a_child_without_the_mark(instance: Instance, spawn: Spawn) -> None:
    parent = spawn(FORGETFUL)
    child = psutil.Process(first_line(parent))
    assert MARK_VARIABLE not in child.environ()
    assert found(instance) == {parent.pid, child.pid}
    sweep(instance)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as Ray's package, with a daemon in Python and a program."""
    package = tmp_path / "packages" / "ray"
    package.mkdir(parents=True)
    (package / "log_monitor.py").write_text(SLEEP, encoding="utf-8")
    shutil.copy(Path(shutil.which("sh") or "/bin/sh").resolve(), package / "raylet")
    monkeypatch.setattr("cluster.processes.ray_package", lambda: package)
    return package


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-u", "{ray}/log_monitor.py", "--session-dir={folder}/session"],
        ["{ray}/raylet", "-c", "read _", "--session_dir={folder}/session"],
    ],
)
def test_rays_own_daemons_are_known_by_its_folder(
    instance: Instance, run: Run, ray: Path, command: list[str]
) -> None:
    ours = run([word.format(ray=ray, folder=instance.ray_folder) for word in command])
    assert awaited(lambda: found(instance) == {ours.pid})


@pytest.mark.parametrize(
    "command",
    [
        ["tail", "-f", "/dev/null", "{folder}/session_latest/logs/raylet.out"],
        [sys.executable, "-c", SLEEP, "--session-dir={folder}/session", "{ray}/log_monitor.py"],
        [sys.executable, "-c", SLEEP, "{ray}/log_monitor.py", "{folder}"],
        [sys.executable, "-u", "{ray}/log_monitor.py", "--session-dir=/tmp/another"],
    ],
)
def test_who_only_names_rays_folder_is_spared(
    instance: Instance, run: Run, ray: Path, command: list[str]
) -> None:
    words = [word.format(ray=ray, folder=instance.ray_folder) for word in command]
    stranger = run(words)
    assert awaited(lambda: psutil.Process(stranger.pid).cmdline() == words)
    assert sweep(instance) == 0
    assert stranger.poll() is None


def test_rays_package_is_found_without_importing_it() -> None:
    package = ray_package()
    assert package is not None
    assert (package / "_private" / "log_monitor.py").is_file()
    assert "ray" not in sys.modules or sys.modules["ray"].__file__ == str(package / "__init__.py")


def test_a_process_that_does_not_listen_is_killed(instance: Instance, spawn: Spawn) -> None:
    process = spawn(STUBBORN)
    first_line(process)
    assert end(marked(instance), patience=0.2) == 1
    process.wait(20)


def test_the_caller_and_its_ancestors_are_spared(
    instance: Instance, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mizan down` may be called from a terminal that carries the mark."""
    look = (
        "import os, sys; from pathlib import Path; from cluster.instance import Instance; "
        "from cluster.processes import marked; from serving.settings import Settings; "
        "print(len(marked(Instance(Settings(state=Path(sys.argv[1]))))))"
    )
    process = spawn(look, str(instance.folder.parent))
    assert first_line(process) == 0
    assert process.wait(20) == 0


def test_ending_what_has_ended(instance: Instance, spawn: Spawn) -> None:
    process = spawn(SLEEP)
    assert awaited(lambda: found(instance) == {process.pid})
    processes = marked(instance)
    process.kill()
    process.wait()
    assert memory(processes) == 0
    assert end(processes) == 0


def test_memory(instance: Instance) -> None:
    assert memory([psutil.Process()]) > 1 << 20


class TestSupervisor:
    def report(self, process: psutil.Process, shift: float = 0) -> Report:
        return Report(process.pid, process.create_time() + shift, Phase.READY)

    def test_alive(self) -> None:
        assert supervisor_alive(self.report(psutil.Process()))

    def test_none(self) -> None:
        assert not supervisor_alive(None)

    def test_another_process_with_the_same_id(self) -> None:
        assert not supervisor_alive(self.report(psutil.Process(), shift=-3600))
        assert not supervisor_alive(self.report(psutil.Process(), shift=3600))

    def test_gone(self, spawn: Spawn) -> None:
        process = spawn(SLEEP)
        report = self.report(psutil.Process(process.pid))
        assert supervisor_alive(report)
        process.kill()
        assert awaited(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert not supervisor_alive(report)
        process.wait()
        assert not supervisor_alive(report)

    def test_a_reused_id_is_not_ended(self, instance: Instance, spawn: Spawn) -> None:
        """The report names a process that is a stranger by now."""
        stranger = spawn(SLEEP, mark=None)
        started = psutil.Process(stranger.pid).create_time()
        instance.say(Report(stranger.pid, started - 1000, Phase.READY))
        assert running(instance) is None
        assert bring_down(instance) == 0
        assert stranger.poll() is None
        assert instance.report() is None


def test_a_supervisor_that_was_killed_leaves_nothing(instance: Instance, spawn: Spawn) -> None:
    supervisor = spawn(FORGETFUL)
    child = psutil.Process(first_line(supervisor))
    instance.say(Report(supervisor.pid, psutil.Process(supervisor.pid).create_time(), Phase.READY))
    orphan = psutil.Process(first_line(spawn(ORPHAN)))
    supervisor.kill()
    supervisor.wait()
    assert running(instance) is None
    bring_down(instance)
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert found(instance) == set()
    child.kill()  # lost both its parent and the mark: nobody can know whose it was
