"""An issuer whose keys the tests hold, and tokens of any shape with real signatures."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://issuer.test/realms/mizan"
NOW = 1_800_000_000.0

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def text(value: Any) -> bytes:
    """JSON, unless it already is bytes."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def integer(value: int) -> str:
    """A JWK number."""
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def public_jwk(key: PrivateKey, kid: str, **members: Any) -> dict[str, Any]:
    """The JWKS entry of a key."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        entry = {"kty": "RSA", "n": integer(numbers.n), "e": integer(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        size = (key.curve.key_size + 7) // 8
        curve = {"secp256r1": "P-256", "secp384r1": "P-384"}.get(key.curve.name, key.curve.name)
        entry = {
            "kty": "EC",
            "crv": curve,
            "x": encode(point.x.to_bytes(size, "big")),
            "y": encode(point.y.to_bytes(size, "big")),
        }
    else:
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        entry = {"kty": "OKP", "crv": "Ed25519", "x": encode(raw)}
    return entry | {"kid": kid, "use": "sig"} | members


def raw_signature(key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    """Sign like JWS does (RFC 7518)."""
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = _PSS if algorithm.startswith("PS") else padding.PKCS1v15()
        digest = hashes.SHA384() if algorithm.endswith("384") else hashes.SHA256()
        return key.sign(data, scheme, digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        digest = hashes.SHA384() if algorithm.endswith("384") else hashes.SHA256()
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return key.sign(data)


@dataclass
class Forge:
    """Keys of an issuer, good and bad, and a stranger's."""

    rsa_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    stranger: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    # Too short on purpose: it must be refused.
    weak: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 1024))  # noqa: S505 - on purpose
    ec_key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    koblitz: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256K1())
    )
    wide: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    ed_key: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    def key_set(self) -> list[dict[str, Any]]:
        """The issuer's JWKS, with entries that must not be used among it."""
        private = self.rsa_key.private_numbers().d
        return [
            public_jwk(self.rsa_key, "rsa"),
            public_jwk(self.rsa_key, "rsa-only-rs256", alg="RS256"),
            public_jwk(self.ec_key, "ec"),
            public_jwk(self.wide, "p384"),
            public_jwk(self.ed_key, "ed"),
            public_jwk(self.weak, "weak"),
            public_jwk(self.koblitz, "koblitz"),
            public_jwk(self.rsa_key, "encryption", use="enc"),
            public_jwk(self.rsa_key, "for-signing-ops", key_ops=["sign"]),
            public_jwk(self.rsa_key, "private", d=integer(private)),
            public_jwk(self.rsa_key, "twin"),
            public_jwk(self.stranger, "twin"),
            {"kty": "oct", "kid": "secret", "k": encode(b"k" * 32), "use": "sig"},
            {
                "kty": "EC",
                "crv": "P-256",
                "kid": "off-curve",
                "x": encode(b"\1" * 32),
                "y": encode(b"\2" * 32),
            },
            {"kty": "RSA", "kid": "small-exponent", "n": integer(self._modulus()), "e": "Aw"},
            {"kty": "RSA", "kid": "no-modulus", "e": "AQAB"},
            {"no": "kid"},
        ]

    def _modulus(self) -> int:
        return self.rsa_key.public_key().public_numbers().n

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims of a good token; a change to None removes a claim."""
        claims = {
            "iss": ISSUER,
            "sub": "service-account",
            "aud": ["mizan"],
            "iat": int(NOW),
            "exp": int(NOW) + 300,
            "jti": "0123456789",
            "client_id": "assistant",
            "azp": "assistant",
            "scope": "chat usage",
            "tenant": "khouribga",
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def header(self, **changes: Any) -> dict[str, Any]:
        """Header of a good token; a change to None removes a member."""
        header = {"alg": "RS256", "typ": "at+jwt", "kid": "rsa"} | changes
        return {name: value for name, value in header.items() if value is not None}

    def sign(
        self,
        header: Any = None,
        claims: Any = None,
        *,
        key: PrivateKey | None = None,
        algorithm: str | None = None,
    ) -> str:
        """A compact JWS with a real signature over whatever is given (a mapping, or raw bytes)."""
        header = self.header() if header is None else header
        claims = self.claims() if claims is None else claims
        algorithm = algorithm or (header.get("alg", "RS256") if isinstance(header, dict) else "RS256")
        signing_input = f"{encode(text(header))}.{encode(text(claims))}"
        return (
            f"{signing_input}.{encode(raw_signature(key or self.rsa_key, algorithm, signing_input.encode()))}"
        )

    def hmac(self, secret: bytes, **header: Any) -> str:
        """A token signed with HMAC-SHA256."""
        signing_input = f"{encode(text(self.header(**header)))}.{encode(text(self.claims()))}"
        return f"{signing_input}.{encode(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"

    def public_pem(self) -> bytes:
        """The issuer's public RSA key as PEM, as used in RS/HS confusion."""
        return self.rsa_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def streamed(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> httpx.Response:
    """An answer that arrives in pieces, as from the network."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 4096):
            yield body[start : start + 4096]

    return httpx.Response(status, headers=headers, content=pieces())


@dataclass
class FakeIssuer:
    """The issuer's HTTP side; answers can be changed and requests counted."""

    keys: list[dict[str, Any]]
    issuer: str = ISSUER
    metadata: dict[str, Any] = field(default_factory=dict)
    down: bool = False
    answer: Callable[[], httpx.Response] | None = None
    requests: list[str] = field(default_factory=list)

    @property
    def readings(self) -> int:
        """How often the keys were fetched."""
        return sum(path.endswith("/certs") for path in self.requests)

    def transport(self) -> httpx.MockTransport:
        """For an `httpx.AsyncClient`."""
        return httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.path)
        if self.down:
            raise httpx.ConnectError("connection refused")
        if self.answer is not None:
            return self.answer()
        if request.url.path.endswith("/openid-configuration"):
            metadata = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/certs"} | self.metadata
            return streamed(text(metadata))
        return streamed(text({"keys": self.keys}))
