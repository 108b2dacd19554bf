"""The signature algorithms that may be allowed at all (RFC 7518, RFC 9864)."""

from typing import Final

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
"""All asymmetric: with a shared secret every verifier could also sign."""
