"""Ports that nothing else takes meanwhile."""

import socket
from pathlib import Path

import pytest

from cluster import free_ports as module
from cluster.free_ports import OUTGOING, free_ports


def test_ports_differ_and_can_be_bound() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


@pytest.mark.skipif(not OUTGOING.is_file(), reason="this system does not say which ports go out")
def test_outgoing_connections_cannot_take_them() -> None:
    first, last = map(int, OUTGOING.read_text(encoding="ascii").split())
    assert not [port for port in free_ports(20) if first <= port <= last]


@pytest.mark.parametrize("said", ["1024 65535", "", "nonsense"])
def test_where_no_others_are_left_any_will_do(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text(said)
    monkeypatch.setattr(module, "OUTGOING", tmp_path / "range")
    assert len(set(free_ports(3))) == 3
