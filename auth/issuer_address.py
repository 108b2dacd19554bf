"""Which addresses an issuer may be read from: HTTPS, or plain HTTP on this machine only."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback_host(host: str) -> bool:
    """Whether `host` (a name or an address, no port) can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(url: str) -> str:
    """Return `url` if tokens or keys may travel to or from it; raise `ValueError` with the reason."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is not a URL") from error
    if not host or parts.scheme not in ("https", "http"):
        raise ValueError(f"{url!r} is not an http(s) URL")
    if parts.username is not None or parts.fragment:
        raise ValueError(f"{url!r} must carry neither credentials nor a fragment")
    if parts.scheme == "http" and not is_loopback_host(host):
        raise ValueError(f"{url!r} must use https: plain http is for loopback addresses only")
    return url


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL, with the default port filled in."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def discovery_address(issuer: str) -> str:
    """Where OpenID Connect Discovery 1.0 (section 4) puts the metadata of `issuer`."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"
