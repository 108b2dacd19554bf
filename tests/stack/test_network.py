"""I7: nothing of a stack listens beyond the configured host, and nothing connects away from the machine."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

import grpc  # type: ignore[import-untyped]  # grpcio carries no types
import psutil
import pytest
import yaml

from cluster.instance import Instance
from cluster.processes import marked
from serving.settings import load
from tests.stack.conftest import run_stack
from tests.stack.running import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@dataclass
class Watch:
    """Every TCP socket that any process of a stack was seen with, from the first process to the last."""

    instance: Instance
    listening: set[tuple[str, int, str]] = field(default_factory=set)
    """Address, port, program."""
    connected: set[tuple[str, int, str]] = field(default_factory=set)
    """Address and port of the other side, program."""
    looks: int = 0

    def until(self, over: threading.Event) -> None:
        while not over.wait(0.5):
            self.look()

    def look(self) -> None:
        for process in marked(self.instance):
            try:
                program = " ".join(process.cmdline()).strip()[:160]
                connections = process.net_connections("tcp")
            except psutil.Error:
                continue  # it has ended
            for connection in connections:
                if connection.status == psutil.CONN_LISTEN:
                    self.listening.add((_plain(connection.laddr.ip), connection.laddr.port, program))
                elif connection.raddr:
                    self.connected.add((_plain(connection.raddr.ip), connection.raddr.port, program))
        self.looks += 1


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Watch]]:
    """A stack of simulated engines under observation, after a few answers."""
    folder = tmp_path_factory.mktemp("network")
    script = folder / "script.yaml"
    script.write_text(yaml.safe_dump({"answers": {"": "one two three"}, "judge": {"": 0.02, "bomb": 0.98}}))
    engine = {"simulate": str(script), "cpus": 0.5}
    over = threading.Event()
    state = {"state": str(folder / "state"), "instance": "tests"}
    (folder / "known.yaml").write_text(yaml.safe_dump(state))
    watch = Watch(Instance(load(folder / "known.yaml")))
    thread = threading.Thread(target=watch.until, args=(over,))
    thread.start()
    try:
        for stack in run_stack(folder, {"native": engine, "judge": engine}):
            assert stack.ask().json()["judgement"]["outcome"] == "passed"
            assert stack.ask("a bomb").json()["judgement"]["outcome"] == "flagged"
            assert list(stack.stream())
            watch.look()
            yield stack, watch
    finally:
        over.set()
        thread.join()


def test_it_listens_on_loopback_only(watched: tuple[Stack, Watch]) -> None:
    stack, watch = watched
    gateway = stack.context.settings.gateway
    assert gateway.port in {port for _, port, _ in watch.listening}
    assert len(watch.listening) > 5, "Ray's own servers were not seen"
    beyond = {
        (address, port, program)
        for address, port, program in watch.listening
        if not ip_address(address).is_loopback and (address, port) != (gateway.host, gateway.port)
    }
    assert not beyond, _lines(beyond)


def test_it_connects_to_this_machine_only(watched: tuple[Stack, Watch]) -> None:
    _, watch = watched
    assert watch.looks > 10
    assert watch.connected
    away = {seen for seen in watch.connected if not ip_address(seen[0]).is_loopback}
    assert not away, _lines(away)


def test_ray_asks_for_a_token_of_this_stacks_own(watched: tuple[Stack, Watch]) -> None:
    """Others on this machine reach loopback too, and whoever reaches Ray runs code."""
    stack, watch = watched
    token = stack.instance.ray_token
    assert token.stat().st_mode & 0o077 == 0
    for process in marked(stack.instance):
        environment = process.environ()
        if "MIZAN_STACK" in environment:
            assert environment["RAY_AUTH_MODE"] == "token"
            assert environment["RAY_AUTH_TOKEN_PATH"] == str(token)
    (head,) = {(address, port) for address, port, program in watch.listening if "gcs_server" in program}
    for given, status in (
        (None, "UNAUTHENTICATED"),
        ("0" * 64, "UNAUTHENTICATED"),
        (token.read_text(), "OK"),
    ):
        assert _asked(f"{head[0]}:{head[1]}", given) == status


def _plain(address: str) -> str:
    """An IPv4 address that an IPv6 socket shows, as itself."""
    return address.removeprefix("::ffff:")


def _asked(address: str, token: str | None) -> str:
    """What Ray answers to a harmless question."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary("/ray.rpc.NodeInfoGcsService/CheckAlive")
        try:
            ask(b"", metadata=metadata, timeout=60)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def _lines(sockets: set[tuple[str, int, str]]) -> str:
    return "\n".join(f"{address} {port} {program}" for address, port, program in sorted(sockets))
