"""Reading a compact JWS and its protected header strictly, before any key is looked at (RFC 8725)."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from auth.refusals import TokenFault, Unauthenticated
from auth.strict_json import AmbiguousJson, load_object

ACCESS_TOKEN_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
MAX_HEADER_BYTES: Final = 1024
MAX_KEY_ID_CHARACTERS: Final = 256

_EMBEDDED_KEY: Final = ("jwk", "jku", "x5u", "x5c")
_MEMBERS: Final = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
_KEY_ID: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token taken apart: nothing in it is to be believed until the signature is checked."""

    algorithm: str
    key_id: str
    type: str
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes


def read_token(token: str, algorithms: Collection[str]) -> SignedToken:
    """Take a compact JWS apart and check its header against `algorithms`.

    Raises `Unauthenticated` with the fault found.
    """
    segments = token.split(".")
    if len(segments) == 5:
        raise Unauthenticated(TokenFault.ENCRYPTED)
    if len(segments) != 3:
        raise Unauthenticated(TokenFault.MALFORMED)
    encoded_header, encoded_payload, encoded_signature = segments
    header_bytes = _decode(encoded_header)
    if len(header_bytes) > MAX_HEADER_BYTES:
        raise Unauthenticated(TokenFault.OVERSIZED)
    header = _object(header_bytes)
    algorithm, key_id, media_type = _check_header(header, algorithms)
    return SignedToken(
        algorithm=algorithm,
        key_id=key_id,
        type=media_type,
        claims=_object(_decode(encoded_payload)),
        signing_input=f"{encoded_header}.{encoded_payload}".encode("ascii"),
        signature=_decode(encoded_signature),
    )


def _check_header(header: dict[str, Any], algorithms: Collection[str]) -> tuple[str, str, str]:
    if "enc" in header or "zip" in header:
        raise Unauthenticated(TokenFault.ENCRYPTED)
    if "crit" in header or "b64" in header:
        raise Unauthenticated(TokenFault.CRITICAL_EXTENSION)
    if any(member in header for member in _EMBEDDED_KEY):
        raise Unauthenticated(TokenFault.EMBEDDED_KEY)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise Unauthenticated(TokenFault.ALGORITHM)
    media_type = header.get("typ")
    if not isinstance(media_type, str) or not media_type.isascii():
        raise Unauthenticated(TokenFault.TYPE)
    media_type = media_type.lower()
    if media_type not in ACCESS_TOKEN_TYPES:
        raise Unauthenticated(TokenFault.TYPE)
    # A content type announces a nested token (RFC 7519, 5.2); an access token's content is its claims.
    if not header.keys() <= _MEMBERS:
        raise Unauthenticated(TokenFault.HEADER)
    key_id = header.get("kid")
    if (
        not isinstance(key_id, str)
        or len(key_id) > MAX_KEY_ID_CHARACTERS
        or _KEY_ID.fullmatch(key_id) is None
    ):
        raise Unauthenticated(TokenFault.KEY_ID)
    return algorithm, key_id, media_type


def _object(data: bytes) -> dict[str, Any]:
    try:
        return load_object(data)
    except AmbiguousJson as error:
        raise Unauthenticated(TokenFault.MALFORMED) from error


def _decode(segment: str) -> bytes:
    """Decode base64url, refusing padding, other alphabets and non-zero trailing bits.

    Python's decoder skips what it does not know, so that many texts would mean the same token; encoding
    the result again leaves exactly one.
    """
    try:
        data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated(TokenFault.MALFORMED) from error
    if not data or urlsafe_b64encode(data).rstrip(b"=").decode("ascii") != segment:
        raise Unauthenticated(TokenFault.MALFORMED)
    return data
