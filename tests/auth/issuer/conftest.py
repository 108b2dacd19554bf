"""The development issuer in a process of its own, as the stack runs it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from auth.issuer.state import IssuerState, StateFile
from auth.settings import IdentitySettings
from cluster.free_ports import free_ports


@dataclass(frozen=True)
class RunningIssuer:
    """Where the issuer listens and what it remembers."""

    settings: IdentitySettings
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return self.settings.issuer_url

    @property
    def state_file(self) -> StateFile:
        return StateFile(self.settings.embedded.state_dir)

    def state(self) -> IssuerState:
        return self.state_file.read()

    def secret(self, client_id: str = "khouribga-assistant") -> str:
        return self.state().client_secrets[client_id]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    state_dir = tmp_path_factory.mktemp("issuer") / "state"
    (port,) = free_ports(1)
    arguments = ["--state-dir", str(state_dir), "--port", str(port)]
    process = subprocess.Popen([sys.executable, "-m", "auth.issuer", *arguments], cwd=Path.cwd())  # noqa: S603 - our own command
    settings = IdentitySettings.model_validate({"embedded": {"port": port, "state_dir": state_dir}})
    try:
        wait_until_up(settings.issuer_url, process)
        yield RunningIssuer(settings, process)
    finally:
        process.terminate()
        process.wait(20)


def wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the issuer stopped at once"
        try:
            if httpx.get(f"{url}/jwks", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the issuer did not come up")
