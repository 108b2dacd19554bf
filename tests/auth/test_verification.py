"""What must be accepted, what is remembered, and what arbitrary input may do: raise typed errors only."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth.principal import NO_TENANT, Principal
from auth.refusals import AuthenticationError, Forbidden, TokenFault, Unauthenticated
from auth.verification import TokenVerifier
from auth.verified_tokens import VerifiedToken, VerifiedTokens

from .clocks import FakeClock
from .conftest import MakeVerifier
from .forging import NOW, FakeIssuer, Forge, PrivateKey, public_jwk

_PROPERTY = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def principal(expires_at: float = NOW + 300) -> Principal:
    return Principal("khouribga", "assistant", "service", frozenset({"chat"}), None, expires_at)


@pytest.mark.parametrize(
    ("kid", "algorithm"),
    [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("ed", "EdDSA"), ("ed", "Ed25519")],
)
async def test_accepted_algorithms(kid: str, algorithm: str, forge: Forge, verifier: TokenVerifier) -> None:
    keys: dict[str, PrivateKey] = {"rsa": forge.rsa_key, "ec": forge.ec_key, "ed": forge.ed_key}
    token = forge.sign(forge.header(kid=kid, alg=algorithm), key=keys[kid])
    found = await verifier.verify([f"Bearer {token}"])
    assert found == Principal(
        "khouribga", "assistant", "service-account", frozenset({"chat", "usage"}), "0123456789", NOW + 300
    )


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_accepted_types(typ: str, forge: Forge, verifier: TokenVerifier) -> None:
    await verifier.verify([f"bearer  {forge.sign(forge.header(typ=typ))}"])


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "mizan"},
        {"aud": ["account", "mizan"]},
        {"exp": int(NOW) - 59, "iat": int(NOW) - 300},
        {"iat": int(NOW) + 59},
        {"nbf": int(NOW) + 59},
        {"typ": "Bearer", "nonce": "kept by an old mapper"},
        {"azp": None},
        {"client_id": None},
        {"jti": None},
        {"exp": NOW + 0.5},
    ],
    ids=str,
)
async def test_accepted_claims(changes: dict[str, Any], forge: Forge, verifier: TokenVerifier) -> None:
    assert (
        await verifier.verify([f"Bearer {forge.sign(claims=forge.claims(**changes))}"])
    ).tenant == "khouribga"


async def test_operator_has_no_tenant_and_no_chat(forge: Forge, verifier: TokenVerifier) -> None:
    claims = forge.claims(tenant=None, scope="chat usage admin supervisor unknown")
    operator = await verifier.verify([f"Bearer {forge.sign(claims=claims)}"])
    assert operator.tenant == NO_TENANT
    assert operator.scopes == {"usage", "admin", "supervisor"}
    operator.require("admin")
    with pytest.raises(Forbidden) as refusal:
        operator.require("chat")
    assert 'error="insufficient_scope"' in refusal.value.headers["WWW-Authenticate"]
    assert refusal.value.required_scope == "chat"


async def test_remembered_token_is_not_accepted_past_its_expiry(
    forge: Forge, clock: FakeClock, make_verifier: MakeVerifier
) -> None:
    verifier = make_verifier(leeway_seconds=0)
    headers = [f"Bearer {forge.sign()}"]
    first = await verifier.verify(headers)
    await clock.advance(299.9)
    assert await verifier.verify(headers) is first
    await clock.advance(0.1)
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(headers)
    assert refusal.value.fault is TokenFault.EXPIRED


@pytest.mark.parametrize(
    ("skew", "fault"),
    [(59, None), (61, TokenFault.NOT_YET_VALID), (-359, None), (-361, TokenFault.EXPIRED)],
)
async def test_clocks_a_minute_apart(
    skew: int, fault: TokenFault | None, forge: Forge, verifier: TokenVerifier
) -> None:
    """The issuer's clock is ahead, or the gateway's: a minute is tolerated either way."""
    issued = int(NOW) + skew
    headers = [f"Bearer {forge.sign(claims=forge.claims(iat=issued, exp=issued + 300))}"]
    if fault is None:
        assert (await verifier.verify(headers)).application == "assistant"
        return
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(headers)
    assert refusal.value.fault is fault


async def test_withdrawn_key_takes_remembered_tokens_along(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    headers = [f"Bearer {forge.sign(claims=forge.claims(exp=int(NOW) + 3600))}"]
    await verifier.verify(headers)
    issuer.keys = [key for key in forge.key_set() if key.get("kid") != "rsa"]
    await clock.advance(301)
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(headers)
    assert refusal.value.fault is TokenFault.UNKNOWN_KEY


async def test_replaced_key_of_the_same_id_takes_remembered_tokens_along(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    headers = [f"Bearer {forge.sign(claims=forge.claims(exp=int(NOW) + 3600))}"]
    await verifier.verify(headers)
    issuer.keys = [public_jwk(forge.stranger, "rsa")]
    await clock.advance(301)
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(headers)
    assert refusal.value.fault is TokenFault.SIGNATURE


def test_memory_is_bounded_and_forgets_the_least_used() -> None:
    tokens = VerifiedTokens(2)
    entry = VerifiedToken(principal(), "kid", "thumbprint")
    tokens.put(b"a", entry)
    tokens.put(b"b", entry)
    assert tokens.get(b"a", NOW) is entry
    tokens.put(b"c", entry)
    assert len(tokens) == 2
    assert tokens.get(b"b", NOW) is None
    assert tokens.get(b"a", NOW) is entry


def test_memory_drops_what_has_expired() -> None:
    tokens = VerifiedTokens(2)
    tokens.put(b"a", VerifiedToken(principal(NOW), "kid", "thumbprint"))
    assert tokens.get(b"a", NOW) is None
    assert len(tokens) == 0


@_PROPERTY
@given(position=st.floats(0, 0.999999), character=st.characters(codec="utf-8"))
def test_any_changed_character_spoils_a_token(
    position: float, character: str, forge: Forge, make_verifier: MakeVerifier
) -> None:
    good = forge.sign()
    at = int(position * len(good))
    changed = good[:at] + character + good[at + 1 :]
    if changed == good:
        return
    with pytest.raises(AuthenticationError):
        asyncio.run(make_verifier().verify([f"Bearer {changed}"]))


@_PROPERTY
@given(headers=st.lists(st.text(max_size=300) | st.text(max_size=300).map("Bearer {}".format), max_size=3))
def test_arbitrary_headers_raise_typed_errors_only(headers: list[str], make_verifier: MakeVerifier) -> None:
    with pytest.raises(AuthenticationError):
        asyncio.run(make_verifier().verify(headers))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_CLAIM_NAMES = st.sampled_from(
    ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "azp", "typ", "scope", "tenant"]
)


@_PROPERTY
@given(changes=st.dictionaries(_CLAIM_NAMES, _JSON, max_size=4))
def test_arbitrary_claims_are_refused_with_typed_errors_or_harmless(
    changes: dict[str, Any], forge: Forge, make_verifier: MakeVerifier
) -> None:
    token = forge.sign(claims=json.dumps(forge.claims() | changes).encode())
    try:
        found = asyncio.run(make_verifier().verify([f"Bearer {token}"]))
    except AuthenticationError:
        return
    assert found.tenant == changes.get("tenant", "khouribga")
    assert found.scopes <= {"chat", "moderate", "usage", "supervisor", "admin"}
    assert found.expires_at + 60 > NOW
