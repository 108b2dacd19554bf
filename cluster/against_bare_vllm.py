"""What judging costs: the whole stack against the plain vLLM server, with the same model, in one run.

    python -m cluster.against_bare_vllm [-- further options of `mizan bench`]

Starts a stack and a bare vLLM server on free loopback ports, alternates load between them, and stops both.
What was asked for is checked before, since a start takes minutes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cluster.free_ports import free_ports

MIZAN = str(Path(sys.executable).with_name("mizan"))
PATIENCE = 400
"""Seconds a server may take to start."""


def main() -> int:
    """Run the comparison; the exit status is that of `mizan bench`."""
    further = sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]
    gateway, issuer, bare = free_ports(3)
    judged, plain = f"mizan=http://127.0.0.1:{gateway}", f"bare=http://127.0.0.1:{bare}"
    status = _bench(plain, judged, further, "--dry-run")
    if status or "--help" in further:
        return status
    with tempfile.TemporaryDirectory(prefix="mizan-bench-") as folder:
        config = Path(folder) / "mizan.yaml"
        config.write_text(
            json.dumps(
                {
                    "instance": "bench",
                    "state": str(Path(folder) / "state"),
                    "gateway": {"port": gateway},
                    "identity": {"embedded": {"port": issuer, "token_lifetime_seconds": 7200}},
                }
            ),
            encoding="utf-8",
        )
        with _stack(config), _bare(config, bare):
            token = Path(folder) / "token"
            token.write_text(_output(config, "token"), encoding="utf-8")
            return _bench(plain, f"{judged},token-file={token}", further)


def _bench(plain: str, judged: str, further: list[str], *more: str) -> int:
    command = [MIZAN, "bench", "--baseline", "bare", "--arm", plain, "--arm", judged, *further, *more]
    return subprocess.run(command, check=False).returncode  # noqa: S603  our own command


@contextmanager
def _stack(config: Path) -> Iterator[None]:
    subprocess.run([MIZAN, "--config", str(config), "up"], check=True)  # noqa: S603  our own command
    try:
        yield
    finally:
        subprocess.run([MIZAN, "--config", str(config), "down"], check=True)  # noqa: S603  as above


@contextmanager
def _bare(config: Path, port: int) -> Iterator[None]:
    settings = json.loads(_output(config, "config", "show", "--json"))
    model = settings["native"]["model"]
    versions = Path(settings["models"]["cache_dir"]) / "models" / model
    folder = max(file.parent for file in versions.glob("[!.]*/config.json"))
    command = [
        sys.executable,
        "-m",
        "benchmarks.bare_vllm",
        str(folder),
        "--name",
        model,
        "--port",
        str(port),
    ]
    server = subprocess.Popen(  # noqa: S603  our own module
        [*command, "--max-model-len", "8192"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "VLLM_LOGGING_LEVEL": "ERROR"},
    )
    try:
        _await(f"http://127.0.0.1:{port}/health", server)
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)


def _await(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"the bare vLLM server ended with status {server.returncode}")
        try:
            if httpx.get(url, trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"the bare vLLM server does not answer after {PATIENCE} s")


def _output(config: Path, *command: str) -> str:
    done = subprocess.run(  # noqa: S603  our own command
        [MIZAN, "--config", str(config), *command], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
