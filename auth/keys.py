"""Which published keys may check a signature (RFC 7517, RFC 8725 section 3.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import base64_to_int

from auth.algorithms import ALGORITHMS

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
MAX_KEYS: Final = 64

_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_EC_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class UnsuitableKey(ValueError):  # noqa: N818 - says what is the case
    """A published key that must not be used; the message says why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with the algorithms it may be used for; equal keys have equal thumbprints (RFC 7638)."""

    key: RSAKey | ECKey | OKPKey
    algorithms: frozenset[str]
    thumbprint: str

    def verifies(self, algorithm: str, signing_input: bytes, signature: bytes) -> bool:
        """Whether `signature` over `signing_input` is this key's under `algorithm` (one of `algorithms`)."""
        scheme = JWSRegistry.algorithms[algorithm]
        try:
            scheme.check_key(self.key)
            return scheme.verify(signing_input, signature, self.key)
        except (JoseError, ValueError):
            return False


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """One reading of a JWKS: what can be used by key id, and the ids of what cannot, with the reason.

    `entries` are the usable keys as they were published.
    """

    usable: Mapping[str, VerificationKey]
    unsuitable: Mapping[str, str]
    entries: tuple[Mapping[str, Any], ...] = ()


def read_keys(document: Mapping[str, Any]) -> PublishedKeys:
    """Sort the keys of a JWKS document. One bad key does not spoil the others.

    Raises `UnsuitableKey` where the document itself is not a JWKS.
    """
    entries = document.get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise UnsuitableKey(f"the key set must hold a list of at most {MAX_KEYS} keys")
    usable: dict[str, VerificationKey] = {}
    unsuitable: dict[str, str] = {}
    named = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("kid"), str)]
    for entry in named:
        key_id: str = entry["kid"]
        if key_id in usable or key_id in unsuitable:
            usable.pop(key_id, None)
            unsuitable[key_id] = "two keys share this key id"
            continue
        try:
            usable[key_id] = read_key(entry)
        except UnsuitableKey as error:
            unsuitable[key_id] = str(error)
    return PublishedKeys(usable, unsuitable, tuple(entry for entry in named if entry["kid"] in usable))


def read_key(entry: dict[str, Any]) -> VerificationKey:
    """Read one JWK. Raises `UnsuitableKey`: not a public signature key, too weak, or an unknown curve."""
    if entry.get("use", "sig") != "sig":
        raise UnsuitableKey("the key is not for signatures")
    if "key_ops" in entry and entry["key_ops"] != ["verify"]:
        raise UnsuitableKey("the key is not for verifying")
    if _PRIVATE_MEMBERS & entry.keys():
        raise UnsuitableKey("the issuer publishes private key material")
    try:
        key, algorithms = _public_key(entry)
        thumbprint = key.thumbprint()
    except (JoseError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, UnsuitableKey):
            raise
        raise UnsuitableKey("the key cannot be read") from error
    if "alg" in entry:
        algorithms &= {entry["alg"]} if isinstance(entry["alg"], str) else set()
    if not algorithms:
        raise UnsuitableKey("the key is for an algorithm that is not supported")
    return VerificationKey(key, algorithms, thumbprint)


def _public_key(entry: dict[str, Any]) -> tuple[RSAKey | ECKey | OKPKey, frozenset[str]]:
    kind = entry.get("kty")
    if kind == "RSA":
        _check_rsa(base64_to_int(entry["n"]), base64_to_int(entry["e"]))
        rsa = RSAKey.import_key({"kty": "RSA", "n": entry["n"], "e": entry["e"]})
        return rsa, frozenset(name for name in ALGORITHMS if name[:2] in ("RS", "PS"))
    if kind == "EC":
        algorithms = frozenset(name for name, curve in _EC_CURVES.items() if curve == entry.get("crv"))
        if not algorithms:
            raise UnsuitableKey("the curve is not supported")
        members = {name: entry[name] for name in ("kty", "crv", "x", "y")}
        return ECKey.import_key(members), algorithms
    if kind == "OKP" and entry.get("crv") == "Ed25519":
        members = {name: entry[name] for name in ("kty", "crv", "x")}
        return OKPKey.import_key(members), frozenset({"EdDSA", "Ed25519"})
    raise UnsuitableKey("the key type is not supported")


def _check_rsa(modulus: int, exponent: int) -> None:
    bits = modulus.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise UnsuitableKey(f"the RSA key has {bits} bits")
    if exponent < 65537 or exponent % 2 == 0 or exponent.bit_length() > 32:
        raise UnsuitableKey("the RSA exponent is not acceptable")
