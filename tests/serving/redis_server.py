"""A real redis-server for tests: on a loopback port, in memory only, ended with the test session."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

MISSING = "redis-server is not installed (Debian: redis-server); .ci/redis-server installs it where it can"


@dataclass
class RedisServer:
    """A server that tests may stop and start again; what it held is then gone."""

    program: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, seconds: float = 60) -> None:
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen([self.program, *arguments], stdout=log, stderr=log)  # noqa: S603  ours
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                probe.sendall(b"PING\r\n")
                if probe.recv(16).startswith(b"+PONG"):
                    return
            time.sleep(0.02)
        raise TimeoutError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None


def patient_client(url: str) -> "redis.asyncio.Redis":
    """A client that waits for a slow answer: asked once more, a script would count a second time."""
    return redis.asyncio.Redis.from_url(
        url, decode_responses=True, socket_timeout=60, retry=Retry(NoBackoff(), 0)
    )


@contextlib.contextmanager
def running(folder: Path) -> Iterator[RedisServer]:
    """Start a server of one's own. Raises FileNotFoundError where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError(MISSING)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    server = RedisServer(program, folder, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
