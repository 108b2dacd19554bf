"""Whose certificates are trusted when an issuer is asked over TLS."""

import ssl
from pathlib import Path


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the authority in `ca_file` (PEM), or those of the system where there is none."""
    return ssl.create_default_context(cafile=ca_file)
