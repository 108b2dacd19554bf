"""Ports for stacks that must not meet another one on the same machine."""

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""First and last of the ports that Linux gives to connections that leave."""

_LEAST, _MOST = 20_000, 65_535
"""From above those that Ray gives its workers."""

_TRIES = 500


def free_ports(count: int) -> tuple[int, ...]:
    """Loopback ports that were free a moment ago; all different.

    They are not among those of outgoing connections, as far as the machine leaves others: a server that takes
    seconds to start would find its port taken by some connection made meanwhile.
    """
    others = _not_outgoing()
    with ExitStack() as open_sockets:
        found: list[int] = []
        for port in random.sample(others, min(_TRIES, len(others))):
            if len(found) == count:
                break
            with suppress(OSError):
                found.append(_bound(open_sockets.enter_context(socket.socket()), port))
        while len(found) < count:
            found.append(_bound(open_sockets.enter_context(socket.socket()), 0))
        return tuple(found)


def _bound(server: socket.socket, port: int) -> int:
    """The port that the socket now holds; the system chooses one instead of 0."""
    server.bind(("127.0.0.1", port))
    return int(server.getsockname()[1])


def _not_outgoing() -> list[int]:
    try:
        first, last = map(int, OUTGOING.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return []
    return [port for port in range(_LEAST, _MOST + 1) if not first <= port <= last]
