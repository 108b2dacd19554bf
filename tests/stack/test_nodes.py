"""The same application on a Ray cluster of several nodes; simulated engines, since placement is tested."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from cluster.environment import stack_environment
from cluster.free_ports import free_ports
from cluster.instance import Instance
from cluster.processes import marked
from serving.settings import Settings
from tests.stack.conftest import run_stack
from tests.stack.running import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Nodes:
    """A Ray cluster of two nodes: its address, and the mark that all of its processes carry."""

    address: str
    mark: str


RAY = Path(sys.executable).with_name("ray")


@pytest.fixture
def two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A Ray head that holds the native model's resource, and a second node that holds the judge's."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    cluster = Settings.model_validate({"ray": {"address": address}})
    environment = stack_environment(Instance(cluster)) | {
        name: os.environ[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    }
    environment["MIZAN_STACK"] = mark = f"nodes-{port}"
    environment["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path / "missing" / "metrics")
    common = ["--num-cpus", "4", "--object-store-memory", str(100 << 20), "--disable-usage-stats"]
    head = ["--head", "--node-ip-address", "127.0.0.1", "--port", str(port), "--include-dashboard", "false"]
    temporary = ["--temp-dir", f"/tmp/mizan-{port}"]  # noqa: S108  Ray's sockets need a short path
    try:
        _ray([*head, *temporary, *common, "--resources", '{"native_node": 1}'], environment)
        _ray(["--address", address, *common, "--resources", '{"judge_node": 1}'], environment)
        yield Nodes(address, mark)
    finally:
        for process in _with_mark(mark):
            process.kill()


def _ray(arguments: list[str], environment: dict[str, str], attempts: int = 3) -> None:
    """Start a node. Ray gives it 30 s, which a busy machine may not keep, and has no setting for that."""
    before = _with_mark(environment["MIZAN_STACK"])
    done = subprocess.run(  # noqa: S603  our own interpreter's ray
        [RAY, "start", *arguments], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    if done.returncode == 0:
        return
    for process in _with_mark(environment["MIZAN_STACK"]):
        if process not in before:
            process.kill()
    assert attempts > 1 and "timed out during startup" in done.stderr, done.stdout + done.stderr
    _ray(arguments, environment, attempts - 1)


def test_native_and_judge_run_where_the_settings_place_them(two_nodes: Nodes, tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text(yaml.safe_dump({"answers": {"": "one two three four five six seven eight nine ten"}}))
    values: dict[str, object] = {
        "ray": {"address": two_nodes.address},
        "native": {"simulate": str(script), "cpus": 0.5, "ray_resources": {"native_node": 0.5}},
        "judge": {"simulate": str(script), "cpus": 0.5, "ray_resources": {"judge_node": 0.5}},
    }
    for stack in run_stack(tmp_path, values):
        assert stack.ask().json()["judgement"]["outcome"] == "passed"
        native, judge = (_raylet_of(two_nodes, f"ServeReplica:mizan:{name}") for name in ("Native", "Judge"))
        assert native != judge
        assert_only_ours_is_marked(stack)


def assert_only_ours_is_marked(stack: Stack) -> None:
    """The cluster is not the stack's: `down` must not end its processes."""
    titles = [" ".join(process.cmdline()) for process in marked(stack.instance)]
    assert not any("raylet" in title or "gcs_server" in title for title in titles)


def _raylet_of(nodes: Nodes, title: str) -> int:
    (replica,) = [process for process in _with_mark(nodes.mark) if title in " ".join(process.cmdline())]
    return int(replica.ppid())


def _with_mark(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MIZAN_STACK") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found
