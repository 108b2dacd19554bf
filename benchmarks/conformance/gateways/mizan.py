"""Mizan's own stack, real but for its two models: those are the suite's scripted servers."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.conformance.gateways.gateway import Gateway, GatewayError
from benchmarks.conformance.upstream.listening import Upstream
from cluster.free_ports import free_ports

MIZAN = str(Path(sys.executable).with_name("mizan"))
_TENANT = "conformance"
_APPLICATION = "conformance-suite"
_POLICY = {
    "id": "default",
    "version": "1",
    "mode": "window",
    "judge_timeout": 6,
    "criteria": [{"id": "birds", "description": "certain birds"}],
}
_SETTINGS = (
    "mode window, windows as the delivered policy has them; a judge call may take 6 s",
    "the circuit breaker is off, so that every cell asks the judge itself",
)


@contextmanager
def running_mizan(upstream: Upstream) -> Iterator[Gateway]:
    """A stack of its own on free ports, gone afterwards. Raises GatewayError where it does not start."""
    with tempfile.TemporaryDirectory(prefix="mizan-conformance-") as name:
        folder = Path(name)
        config = folder / "mizan.yaml"
        gateway, issuer = free_ports(2)
        config.write_text(json.dumps(_settings(folder, upstream, gateway, issuer)), encoding="utf-8")
        try:
            _mizan(config, "up")
            model = json.loads(_mizan(config, "config", "show", "--json"))["native"]["model"]
            token = _mizan(config, "token", "--application", _APPLICATION).strip()
            yield Gateway(
                name="Mizan",
                version=version("mizan"),
                url=f"http://127.0.0.1:{gateway}",
                model=model,
                headers={"authorization": f"Bearer {token}"},
                settings=_SETTINGS,
                kill=lambda: _kill_gateway(folder),
            )
        finally:
            subprocess.run(  # noqa: S603  our own command
                [MIZAN, "--config", str(config), "down"], check=False, capture_output=True
            )


def _settings(folder: Path, upstream: Upstream, gateway: int, issuer: int) -> dict[str, Any]:
    """JSON is YAML: every file of the stack, written as such."""
    policies = folder / "policies"
    policies.mkdir()
    application = {"id": _APPLICATION, "scopes": ["chat"]}
    files: dict[Path, object] = {
        policies / "default.yaml": _POLICY,
        folder / "tenants.yaml": {
            "tenants": [{"id": _TENANT, "name": _TENANT, "applications": [application]}]
        },
        folder / "native.yaml": {"server": upstream.model_listener.url},
        folder / "judge.yaml": {"server": upstream.judge_listener.url},
    }
    for file, content in files.items():
        file.write_text(json.dumps(content), encoding="utf-8")
    return {
        "instance": "conformance",
        "state": str(folder / "state"),
        "policies": str(policies),
        "gateway": {"port": gateway},
        "native": {"simulate": str(folder / "native.yaml"), "cpus": 0.5},
        "judge": {"simulate": str(folder / "judge.yaml"), "cpus": 0.5},
        "overload": {"breaker_failures": 1_000_000},
        "identity": {
            "tenants_file": str(folder / "tenants.yaml"),
            "embedded": {"port": issuer, "token_lifetime_seconds": 7200},
        },
    }


def _mizan(config: Path, *command: str) -> str:
    done = subprocess.run(  # noqa: S603  our own command
        [MIZAN, "--config", str(config), *command], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise GatewayError(f"`mizan {' '.join(command)}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _kill_gateway(folder: Path) -> None:
    """Kill the replica that serves requests; it is told by the settings its supervisor was started with."""
    pid = json.loads((folder / "state" / "conformance" / "supervisor.json").read_text("utf-8"))["pid"]
    mark = psutil.Process(pid).environ()["MIZAN_STACK"]
    for process in psutil.process_iter():
        try:
            titled = "ServeReplica:mizan:Gateway" in " ".join(process.cmdline())
            if titled and process.environ().get("MIZAN_STACK") == mark:
                process.kill()
        except psutil.Error:
            continue
