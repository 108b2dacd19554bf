"""The guard that keeps load on this machine."""

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from benchmarks.arms.arm import Arm
from benchmarks.errors import InvalidArmError, RemoteTargetError


def require_loopback(arm: Arm) -> None:
    """Every address the arm's host resolves to must be loopback.

    Raises RemoteTargetError, InvalidArmError.
    """
    parts = urlsplit(arm.base_url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidArmError(f"arm {arm.name}: {parts.hostname} does not resolve: {error}") from error
    for *_, address in found:
        if not ip_address(str(address[0]).partition("%")[0]).is_loopback:
            raise RemoteTargetError(
                f"arm {arm.name}: {parts.hostname} is not on this machine ({address[0]}). A load test of "
                "somebody else's server is an attack: add --allow-remote only where you may do that."
            )
