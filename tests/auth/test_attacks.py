"""What must be refused, with status and reason; every signature is real unless that is the point."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from auth.refusals import AuthenticationError, Denial, TokenFault, Unauthenticated
from auth.verification import TokenVerifier

from .forging import ISSUER, NOW, FakeIssuer, Forge, PrivateKey, encode, public_jwk, text

_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


@dataclass(frozen=True)
class Attack:
    """A request's Authorization headers, and how they must be answered."""

    name: str
    headers: Callable[[Forge], list[str]]
    reason: TokenFault | Denial

    @property
    def status(self) -> int:
        return 401 if isinstance(self.reason, TokenFault) else 403


def sent(token: Callable[[Forge], str]) -> Callable[[Forge], list[str]]:
    """One well-formed header around a token."""
    return lambda forge: [f"Bearer {token(forge)}"]


def token(name: str, make: Callable[[Forge], str], reason: TokenFault | Denial) -> Attack:
    return Attack(name, sent(make), reason)


def claim(name: str, reason: TokenFault | Denial, **changes: object) -> Attack:
    return token(name, lambda forge: forge.sign(claims=forge.claims(**changes)), reason)


def head(name: str, reason: TokenFault, **changes: object) -> Attack:
    return token(name, lambda forge: forge.sign(forge.header(**changes)), reason)


def unsigned(forge: Forge, algorithm: str, signature: str = "") -> str:
    return f"{encode(text(forge.header(alg=algorithm)))}.{encode(text(forge.claims()))}.{signature}"


def with_signature(
    forge: Forge, change: Callable[[bytes], bytes], kid: str = "rsa", alg: str = "RS256"
) -> str:
    keys: dict[str, PrivateKey] = {"rsa": forge.rsa_key, "ec": forge.ec_key, "ed": forge.ed_key}
    head_, body, signature = forge.sign(forge.header(kid=kid, alg=alg), key=keys[kid]).split(".")
    return f"{head_}.{body}.{encode(change(urlsafe_b64decode(signature + '==')))}"


def other_trailing_bits(forge: Forge) -> str:
    """The same signature bytes under another spelling: 256 bytes leave four unused bits at the end."""
    good = forge.sign()
    return good[:-1] + _BASE64URL[_BASE64URL.index(good[-1]) + 1]


def tampered(forge: Forge) -> str:
    header, _, signature = forge.sign().split(".")
    return f"{header}.{encode(text(forge.claims(tenant='safi')))}.{signature}"


def der_signature(forge: Forge) -> str:
    signing_input = f"{encode(text(forge.header(kid='ec', alg='ES256')))}.{encode(text(forge.claims()))}"
    der = forge.ec_key.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256()))
    return f"{signing_input}.{encode(der)}"


def shifted_ed25519(signature: bytes) -> bytes:
    """S + L is the same number modulo the group order: the classic malleability of careless verifiers."""
    shifted = int.from_bytes(signature[32:], "little") + _ED25519_ORDER
    return signature[:32] + shifted.to_bytes(32, "little")


def duplicate(data: dict[str, object], name: str, value: bytes) -> bytes:
    return text(data)[:-1] + b', "' + name.encode() + b'": ' + value + b"}"


F = TokenFault
ATTACKS = [
    # The header around the token
    Attack("no header", lambda _: [], F.MISSING),
    Attack("two headers with one token", lambda f: [f"Bearer {f.sign()}"] * 2, F.SEVERAL_HEADERS),
    Attack(
        "a good header after another scheme",
        lambda f: ["Basic eA==", f"Bearer {f.sign()}"],
        F.SEVERAL_HEADERS,
    ),
    Attack("basic credentials", lambda _: ["Basic dXNlcjpwYXNz"], F.UNSUPPORTED_SCHEME),
    Attack("scheme only", lambda _: ["Bearer"], F.MISSING),
    Attack("scheme and blanks", lambda _: ["Bearer   "], F.MISSING),
    Attack("tab after the scheme", lambda f: [f"Bearer\t{f.sign()}"], F.UNSUPPORTED_SCHEME),
    Attack("look-alike scheme", lambda f: [f"Веаrer {f.sign()}"], F.UNSUPPORTED_SCHEME),
    Attack("the token alone", lambda f: [f.sign()], F.UNSUPPORTED_SCHEME),
    Attack("merged headers", lambda f: [f"Bearer {f.sign()}, Bearer {f.sign()}"], F.MALFORMED),
    Attack("quoted token", lambda f: [f'Bearer "{f.sign()}"'], F.MALFORMED),
    Attack("line break inside", lambda f: [f"Bearer {f.sign()}\r\nX: y"], F.MALFORMED),
    Attack("NUL at the end", lambda f: [f"Bearer {f.sign()}\0"], F.MALFORMED),
    Attack("full-width letters", lambda f: [f"Bearer {f.sign().replace('e', 'ｅ', 1)}"], F.MALFORMED),
    Attack("oversized", lambda _: ["Bearer " + "a" * 9000], F.OVERSIZED),
    Attack("a megabyte", lambda _: ["Bearer " + "a.b.c" * 200_000], F.OVERSIZED),
    # The compact form
    token("one segment", lambda f: f.sign().split(".")[0], F.MALFORMED),
    token("two segments", lambda f: f.sign().rpartition(".")[0], F.MALFORMED),
    token("four segments", lambda f: f.sign() + ".AAAA", F.MALFORMED),
    token("five segments, a JWE", lambda f: f.sign() + ".AAAA.AAAA", F.ENCRYPTED),
    token("empty signature", lambda f: f.sign().rpartition(".")[0] + ".", F.MALFORMED),
    token("empty payload", lambda f: f"{f.sign().split('.')[0]}..AAAA", F.MALFORMED),
    token("padded base64", lambda f: f.sign() + "==", F.MALFORMED),
    token("another spelling of the signature", other_trailing_bits, F.MALFORMED),
    token("plain base64 alphabet", lambda f: f.sign().rpartition(".")[0] + ".++//", F.MALFORMED),
    Attack("JSON serialization", lambda f: ['Bearer {"payload":"AAAA","signature":"AAAA"}'], F.MALFORMED),
    token("header is no JSON", lambda f: f.sign(b"alg: RS256"), F.MALFORMED),
    token("header is an array", lambda f: f.sign(b'[{"alg":"RS256"}]'), F.MALFORMED),
    token("header with byte order mark", lambda f: f.sign(b"\xef\xbb\xbf" + text(f.header())), F.MALFORMED),
    token("header in UTF-16", lambda f: f.sign(text(f.header()).decode().encode("utf-16")), F.MALFORMED),
    token("header in broken UTF-8", lambda f: f.sign(b'{"alg":"RS256\xff"}'), F.MALFORMED),
    token("header too large", lambda f: f.sign(f.header(extra="x" * 2000)), F.OVERSIZED),
    token("algorithm twice", lambda f: f.sign(duplicate(f.header(), "alg", b'"none"')), F.MALFORMED),
    token("header nested deeply", lambda f: f.sign(b'{"a":' + b"[" * 400 + b"]" * 400 + b"}"), F.MALFORMED),
    token("claim twice", lambda f: f.sign(claims=duplicate(f.claims(), "tenant", b'"safi"')), F.MALFORMED),
    token(
        "escaped twin claim",
        lambda f: f.sign(claims=duplicate(f.claims(), "\\u0074enant", b'"safi"')),
        F.MALFORMED,
    ),
    token(
        "claims nested deeply",
        lambda f: f.sign(claims=b'{"a":' + b"[" * 2500 + b"]" * 2500 + b"}"),
        F.MALFORMED,
    ),
    token("NaN among the claims", lambda f: f.sign(claims=duplicate(f.claims(), "x", b"NaN")), F.MALFORMED),
    token("endless number", lambda f: f.sign(claims=duplicate(f.claims(), "x", b"9" * 5000)), F.MALFORMED),
    token("a token inside a token", lambda f: f.sign(claims=f.sign().encode()), F.MALFORMED),
    # The algorithm
    token("alg none", lambda f: unsigned(f, "none"), F.ALGORITHM),
    token("alg none with a signature", lambda f: unsigned(f, "none", "AAAA"), F.ALGORITHM),
    token("alg nOnE", lambda f: unsigned(f, "nOnE", "AAAA"), F.ALGORITHM),
    token("HMAC with the public key", lambda f: f.hmac(f.public_pem(), alg="HS256"), F.ALGORITHM),
    token(
        "HMAC with a published secret", lambda f: f.hmac(b"k" * 32, alg="HS256", kid="secret"), F.ALGORITHM
    ),
    token("HMAC under the name RS256", lambda f: f.hmac(f.public_pem()), F.SIGNATURE),
    head("no alg", F.ALGORITHM, alg=None),
    token("alg is a list", lambda f: f.sign(f.header(alg=["RS256"]), algorithm="RS256"), F.ALGORITHM),
    token("alg with a blank", lambda f: f.sign(f.header(alg="RS256 "), algorithm="RS256"), F.ALGORITHM),
    head("algorithm not on the list", F.ALGORITHM, alg="RS384"),
    token("secp256k1", lambda f: f.sign(f.header(alg="ES256K", kid="koblitz"), key=f.koblitz), F.ALGORITHM),
    token("RS256 with an EC key", lambda f: f.sign(f.header(kid="ec")), F.UNSUITABLE_KEY),
    token("ES256 with an RSA key", lambda f: f.sign(f.header(alg="ES256"), key=f.ec_key), F.UNSUITABLE_KEY),
    token(
        "ES256 with a P-384 key",
        lambda f: f.sign(f.header(alg="ES256", kid="p384"), key=f.wide),
        F.UNSUITABLE_KEY,
    ),
    token(
        "PS256 with a key for RS256",
        lambda f: f.sign(f.header(alg="PS256", kid="rsa-only-rs256")),
        F.UNSUITABLE_KEY,
    ),
    # Keys brought along
    token(
        "embedded jwk",
        lambda f: f.sign(f.header(jwk=public_jwk(f.stranger, "rsa")), key=f.stranger),
        F.EMBEDDED_KEY,
    ),
    token("jku", lambda f: f.sign(f.header(jku="https://evil.test/certs"), key=f.stranger), F.EMBEDDED_KEY),
    head("jku of the issuer itself", F.EMBEDDED_KEY, jku=f"{ISSUER}/certs"),
    token("x5u", lambda f: f.sign(f.header(x5u="https://evil.test/cert"), key=f.stranger), F.EMBEDDED_KEY),
    token("x5c", lambda f: f.sign(f.header(x5c=["MIIB"]), key=f.stranger), F.EMBEDDED_KEY),
    # Other header members
    head("crit", F.CRITICAL_EXTENSION, crit=["exp"], exp=1),
    head("empty crit", F.CRITICAL_EXTENSION, crit=[]),
    head("b64 false", F.CRITICAL_EXTENSION, b64=False),
    head("b64 true", F.CRITICAL_EXTENSION, b64=True),
    head("enc in a signed token", F.ENCRYPTED, enc="A256GCM"),
    head("compression", F.ENCRYPTED, zip="DEF"),
    head("content type of a nested token", F.HEADER, cty="JWT"),
    head("unknown member", F.HEADER, url="https://evil.test"),
    # The type
    head("no typ", F.TYPE, typ=None),
    head("logout token type", F.TYPE, typ="logout+jwt"),
    head("DPoP proof", F.TYPE, typ="dpop+jwt"),
    head("typ is a number", F.TYPE, typ=1),
    head("look-alike typ", F.TYPE, typ="ＪＷＴ"),
    # The key id
    head("no kid", F.KEY_ID, kid=None),
    head("kid is a number", F.KEY_ID, kid=1),
    head("empty kid", F.KEY_ID, kid=""),
    head("kid with NUL", F.KEY_ID, kid="rsa\0"),
    head("kid as SQL", F.KEY_ID, kid="' OR 1=1 --"),
    head("kid as a path", F.UNKNOWN_KEY, kid="../../../../dev/null"),
    head("kid as a URL", F.UNKNOWN_KEY, kid="https://evil.test/key"),
    head("look-alike kid", F.KEY_ID, kid="rsа"),
    head("long kid", F.KEY_ID, kid="k" * 300),
    head("unknown kid", F.UNKNOWN_KEY, kid="yesterday"),
    # Keys the issuer should not have published
    token("weak RSA key", lambda f: f.sign(f.header(kid="weak"), key=f.weak), F.UNSUITABLE_KEY),
    head("small RSA exponent", F.UNSUITABLE_KEY, kid="small-exponent"),
    token(
        "foreign curve",
        lambda f: f.sign(f.header(alg="ES256", kid="koblitz"), key=f.koblitz),
        F.UNSUITABLE_KEY,
    ),
    token(
        "point off the curve",
        lambda f: f.sign(f.header(alg="ES256", kid="off-curve"), key=f.ec_key),
        F.UNSUITABLE_KEY,
    ),
    head("encryption key", F.UNSUITABLE_KEY, kid="encryption"),
    head("key with other operations", F.UNSUITABLE_KEY, kid="for-signing-ops"),
    head("published private key", F.UNSUITABLE_KEY, kid="private"),
    head("two keys of one id", F.UNSUITABLE_KEY, kid="twin"),
    head("symmetric key", F.UNSUITABLE_KEY, kid="secret"),
    head("key without modulus", F.UNSUITABLE_KEY, kid="no-modulus"),
    # The signature
    token("a stranger's signature", lambda f: f.sign(key=f.stranger), F.SIGNATURE),
    token("changed claims", tampered, F.SIGNATURE),
    token("shortened signature", lambda f: with_signature(f, lambda s: s[:-1]), F.SIGNATURE),
    token("lengthened signature", lambda f: with_signature(f, lambda s: b"\0" + s), F.SIGNATURE),
    token("DER-encoded ECDSA", der_signature, F.SIGNATURE),
    token("ECDSA of zeros", lambda f: with_signature(f, lambda s: bytes(64), "ec", "ES256"), F.SIGNATURE),
    token("ECDSA of ones", lambda f: with_signature(f, lambda s: b"\xff" * 64, "ec", "ES256"), F.SIGNATURE),
    token("Ed25519 with S + L", lambda f: with_signature(f, shifted_ed25519, "ed", "Ed25519"), F.SIGNATURE),
    token("PSS under the name RS256", lambda f: f.sign(algorithm="PS256"), F.SIGNATURE),
    # Issuer and audience
    claim("no iss", F.ISSUER, iss=None),
    claim("another realm", F.ISSUER, iss="https://issuer.test/realms/other"),
    claim("iss with a slash", F.ISSUER, iss=ISSUER + "/"),
    claim("iss in capitals", F.ISSUER, iss=ISSUER.upper()),
    claim("iss is a list", F.ISSUER, iss=[ISSUER]),
    claim("look-alike iss", F.ISSUER, iss=ISSUER.replace("a", "а")),
    claim("iss without TLS", F.ISSUER, iss=ISSUER.replace("https", "http")),
    claim("no aud", F.AUDIENCE, aud=None),
    claim("another client's aud", F.AUDIENCE, aud=["account", "grafana"]),
    claim("aud with a suffix", F.AUDIENCE, aud="mizan-admin"),
    claim("aud in capitals", F.AUDIENCE, aud="MIZAN"),
    claim("empty aud", F.AUDIENCE, aud=[]),
    claim("aud is an object", F.AUDIENCE, aud={"mizan": True}),
    claim("aud with a number", F.AUDIENCE, aud=["mizan", 1]),
    claim("look-alike aud", F.AUDIENCE, aud="mіzan"),
    # Times
    claim("no exp", F.CLAIMS, exp=None),
    claim("exp as text", F.CLAIMS, exp=str(int(NOW) + 300)),
    claim("exp true", F.CLAIMS, exp=True),
    claim("exp far away", F.CLAIMS, exp=10**400),
    token("exp infinite", lambda f: f.sign(claims=duplicate(f.claims(exp=None), "exp", b"1e999")), F.CLAIMS),
    claim("exp negative", F.CLAIMS, exp=-1),
    claim("expired", F.EXPIRED, exp=int(NOW) - 60),
    claim("expired at once with leeway", F.EXPIRED, iat=int(NOW) - 400, exp=int(NOW) - 61),
    claim("nbf ahead", F.NOT_YET_VALID, nbf=int(NOW) + 61),
    claim("nbf as text", F.CLAIMS, nbf="now"),
    claim("no iat", F.CLAIMS, iat=None),
    claim("iat ahead", F.NOT_YET_VALID, iat=int(NOW) + 61),
    claim("iat as list", F.CLAIMS, iat=[int(NOW)]),
    claim("exp before iat", F.LIFETIME, iat=int(NOW) + 30, exp=int(NOW) + 20),
    claim("valid for a year", F.LIFETIME, exp=int(NOW) + 365 * 86400),
    # Kinds of token
    claim("Keycloak ID token", F.NOT_ACCESS_TOKEN, typ="ID"),
    claim("Keycloak refresh token", F.NOT_ACCESS_TOKEN, typ="Refresh"),
    claim("Keycloak offline token", F.NOT_ACCESS_TOKEN, typ="Offline"),
    claim("Keycloak logout token", F.NOT_ACCESS_TOKEN, typ="Logout"),
    claim("typ claim in other letters", F.NOT_ACCESS_TOKEN, typ="bearer"),
    claim("look-alike typ claim", F.NOT_ACCESS_TOKEN, typ="Веarer"),
    token(
        "ID token by nonce", lambda f: f.sign(f.header(typ="JWT"), f.claims(nonce="n")), F.NOT_ACCESS_TOKEN
    ),
    token(
        "ID token by at_hash",
        lambda f: f.sign(f.header(typ="JWT"), f.claims(at_hash="h")),
        F.NOT_ACCESS_TOKEN,
    ),
    claim("back-channel logout event", F.NOT_ACCESS_TOKEN, events={"http://schemas.openid.net/event": {}}),
    claim("bound to a key", F.SENDER_CONSTRAINED, cnf={"jkt": "x"}),
    # Who it is
    claim("no sub", F.CLAIMS, sub=None),
    claim("empty sub", F.CLAIMS, sub=""),
    claim("sub with a line break", F.CLAIMS, sub="a\nb"),
    claim("sub with a lone surrogate", F.CLAIMS, sub="\ud800"),
    claim("sub is endless", F.CLAIMS, sub="s" * 300),
    claim("jti is a number", F.CLAIMS, jti=7),
    claim("no application", F.APPLICATION, azp=None, client_id=None),
    claim("two applications", F.APPLICATION, azp="another"),
    claim("azp is a list", F.APPLICATION, azp=["assistant"]),
    claim("application with control characters", F.APPLICATION, azp="a\0", client_id="a\0"),
    # Valid, but whose?
    claim("no tenant", Denial.NO_TENANT, tenant=None),
    claim("tenant is a list", Denial.TENANT_FORM, tenant=["khouribga"]),
    claim("empty tenant", Denial.TENANT_FORM, tenant=""),
    claim("tenant with a bidirectional override", Denial.TENANT_FORM, tenant="khouribga\u202e"),
    claim("scope is a list", Denial.SCOPES_FORM, scope=["chat"]),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_attack_is_refused(attack: Attack, forge: Forge, verifier: TokenVerifier) -> None:
    headers = attack.headers(forge)
    with pytest.raises(AuthenticationError) as refusal:
        await verifier.verify(headers)
    assert (refusal.value.status, refusal.value.reason) == (attack.status, attack.reason.value)


def test_the_page_of_attacks_lists_these() -> None:
    """A changed attack must be changed there as well: `table()` prints what belongs there."""
    page = Path(__file__).parents[2] / "docs" / "token-attacks.md"
    assert table() in page.read_text(encoding="utf-8")


def table() -> str:
    """The attacks as a table of the documentation."""
    rows = [f"| {attack.name} | {attack.status} | `{attack.reason.value}` |" for attack in ATTACKS]
    return "\n".join(["| attack | status | code |", "|---|---|---|", *rows])


@pytest.mark.parametrize("fault", TokenFault)
def test_challenge_is_well_formed(fault: TokenFault) -> None:
    refusal = Unauthenticated(fault)
    challenge = refusal.headers["WWW-Authenticate"]
    # RFC 6750, 3: the characters an error description may have.
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", refusal.description)
    if fault in (TokenFault.MISSING, TokenFault.UNSUPPORTED_SCHEME):
        assert challenge == 'Bearer realm="mizan"'
    else:
        expected = f'Bearer realm="mizan", error="invalid_token", error_description="{refusal.description}"'
        assert challenge == expected


async def test_cheap_refusals_ask_the_issuer_nothing(
    forge: Forge, verifier: TokenVerifier, issuer: FakeIssuer
) -> None:
    tokens = [unsigned(forge, "none"), forge.sign(claims=forge.claims(iss="https://other.test"))]
    for refused in tokens:
        with pytest.raises(Unauthenticated):
            await verifier.verify([f"Bearer {refused}"])
    assert issuer.requests == []
