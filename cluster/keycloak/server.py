"""One local Keycloak server: its folder, its process, its health."""

import json
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil

from auth.keycloak.credentials import Administrator, UnusableCredentials, read_administrator
from auth.keycloak.settings import KeycloakSettings
from auth.private_file import write_private
from cluster.keycloak.distribution import Tell
from cluster.keycloak.errors import StartFailed

_SHARED: Final = ("lib", "providers", "themes")
_PATIENCE: Final = 20.0


@dataclass(frozen=True, slots=True)
class ServerState:
    """The process as recorded at its start; `started` tells a reused process id apart."""

    pid: int
    started: float


class LocalServer:
    """The server that `settings.local` describes, with its data in `settings.state_dir`.

    Several can run from one built home: each has a folder of its own for configuration and data, and shares
    the program by links.
    """

    def __init__(self, settings: KeycloakSettings) -> None:
        self._settings = settings
        self._folder = settings.state_dir / "server"
        self._state_file = settings.state_dir / "server.json"
        self._child: subprocess.Popen[bytes] | None = None
        self.log = settings.state_dir / "server.log"

    @property
    def url(self) -> str:
        """Base address of the server."""
        return f"http://127.0.0.1:{self._settings.local.port}"

    def process(self) -> psutil.Process | None:
        """The running server, if there is one."""
        try:
            state = ServerState(**json.loads(self._state_file.read_text(encoding="utf-8")))
            process = psutil.Process(state.pid)
            alive = (
                process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - state.started) < 2
            )
        except (OSError, ValueError, TypeError, psutil.Error):
            return None
        return process if alive else None

    def ready(self) -> bool:
        """Whether the server says that it can serve."""
        address = f"http://127.0.0.1:{self._settings.local.management_port}/health/ready"
        try:
            return httpx.get(address, trust_env=False, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def memory_mb(self) -> int:
        """Resident memory of the server's processes."""
        process = self.process()
        return round(sum(member.memory_info().rss for member in _family(process)) / 2**20) if process else 0

    def start(
        self,
        home: Path,
        java_home: Path,
        environment: Mapping[str, str],
        tell: Tell,
        *,
        import_realm: Path | None = None,
    ) -> bool:
        """Start the server from a built home and wait until it is ready.

        `import_realm` is a realm file that Keycloak takes in if it has no such realm yet. Says whether the
        server had to be started. Raises `StartFailed` or `UnusableCredentials`.
        """
        if self.process() is not None and self.ready():
            return False
        self.stop()
        self._refuse_taken_ports()
        administrator = self._administrator()
        self._lay_out(home)
        tell("starting Keycloak")
        process = self._spawn(administrator, java_home, environment, import_realm)
        self._child = process
        state = ServerState(process.pid, psutil.Process(process.pid).create_time())
        write_private(self._state_file, json.dumps(asdict(state)))
        try:
            self._wait(process)
        except BaseException:
            self.stop()
            raise
        return True

    def stop(self) -> bool:
        """Stop the server and everything it started. Says whether there was one."""
        process = self.process()
        if process is not None:
            family = _family(process)
            for member in family:
                _quietly(member.terminate)
            _, alive = psutil.wait_procs(family, timeout=_PATIENCE)
            for member in alive:
                _quietly(member.kill)
            psutil.wait_procs(alive, timeout=_PATIENCE)
        if self._child is not None:
            self._child.wait(_PATIENCE)
            self._child = None
        self._state_file.unlink(missing_ok=True)
        return process is not None

    def forget(self) -> None:
        """Delete the stopped server's data; the next start begins with an empty one."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _administrator(self) -> Administrator:
        """The operator's credentials, made at the first start: Keycloak takes them into an empty database."""
        if not self._settings.admin_file.exists():
            if (self._folder / "data" / "h2").exists():
                raise UnusableCredentials(
                    f"{self._settings.admin_file} is gone although the server has data; "
                    f"delete {self._folder} to start afresh"
                )
            made = Administrator(username="mizan-admin", password=secrets.token_urlsafe(24))
            write_private(self._settings.admin_file, made.model_dump_json())
        return read_administrator(self._settings.admin_file)

    def _lay_out(self, home: Path) -> None:
        (self._folder / "bin").mkdir(mode=0o700, parents=True, exist_ok=True)
        # kc.sh takes the folder above its own as the server's home, so it is copied, not linked.
        shutil.copy2(home / "bin" / "kc.sh", self._folder / "bin")
        shutil.copytree(home / "conf", self._folder / "conf", dirs_exist_ok=True)
        for name in _SHARED:
            link = self._folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(home / name, target_is_directory=True)

    def _spawn(
        self,
        administrator: Administrator,
        java_home: Path,
        environment: Mapping[str, str],
        import_realm: Path | None,
    ) -> "subprocess.Popen[bytes]":
        local = self._settings.local
        command = [
            str(self._folder / "bin" / "kc.sh"),
            "start",
            "--optimized",
            "--cache=local",
            "--http-enabled=true",
            f"--hostname={self.url}",
            "--http-host=127.0.0.1",
            f"--http-port={local.port}",
            "--http-management-host=127.0.0.1",
            f"--http-management-port={local.management_port}",
        ]
        if import_realm is not None:
            folder = self._folder / "data" / "import"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(import_realm, folder)
            command.append("--import-realm")
        clean = {
            name: value for name, value in environment.items() if not name.startswith(("KC_", "JAVA_OPTS"))
        }
        own = {
            "JAVA_HOME": str(java_home),
            "JAVA_OPTS_KC_HEAP": f"-Xms64m -Xmx{local.heap_mb}m",
            # Only the quick compiler: a server that is often started and little used is up in half the time.
            "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",
            "KC_BOOTSTRAP_ADMIN_USERNAME": administrator.username,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": administrator.password,
        }
        with self.log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own command line
                command,
                env=clean | own,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + self._settings.local.start_seconds
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise StartFailed(f"Keycloak ended with status {process.returncode}: {self._last_words()}")
            if self.ready():
                return
            time.sleep(0.5)
        patience = f"{self._settings.local.start_seconds:.0f} s"
        raise StartFailed(f"Keycloak was not ready after {patience}; see {self.log}")

    def _refuse_taken_ports(self) -> None:
        local = self._settings.local
        for name, port in (("port", local.port), ("management_port", local.management_port)):
            if _listens(port):
                raise StartFailed(
                    f"identity.keycloak.local.{name} is {port}, where something else listens already"
                )

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        problems = [line for line in lines if "ERROR" in line] or lines
        return " | ".join(problems[-3:]) or "it said nothing"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _quietly(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.Error:
        return
