"""Rotation, floods of unknown key ids and outages, on a clock the tests move."""

import asyncio
from pathlib import Path

import httpx
import pytest

from auth.refusals import IssuerUnavailable, TokenFault, Unauthenticated
from auth.verification import TokenVerifier

from .clocks import FakeClock, settle
from .conftest import MakeVerifier
from .forging import ISSUER, NOW, FakeIssuer, Forge, public_jwk, streamed


def headers(forge: Forge, kid: str = "rsa", **claims: object) -> list[str]:
    """A token of an hour, so that the keys age and not the token."""
    return [f"Bearer {forge.sign(forge.header(kid=kid), forge.claims(exp=int(NOW) + 10_000, **claims))}"]


async def fault(verifier: TokenVerifier, values: list[str]) -> TokenFault:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(values)
    return refusal.value.fault


async def test_many_requests_share_one_reading(
    forge: Forge, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    requests = [headers(forge, jti=str(number)) for number in range(50)]
    await asyncio.gather(*(verifier.verify(request) for request in requests))
    assert issuer.readings == 1


async def test_cancelled_request_does_not_cancel_the_reading_others_wait_for(
    forge: Forge, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    first = asyncio.create_task(verifier.verify(headers(forge)))
    await asyncio.sleep(0)
    second = asyncio.create_task(verifier.verify(headers(forge, jti="2")))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).tenant == "khouribga"
    assert issuer.readings == 1


async def test_flood_of_unknown_key_ids_costs_one_reading_per_interval(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    await verifier.verify(headers(forge))
    for second in range(1, 11):
        flood = [
            asyncio.create_task(fault(verifier, headers(forge, kid=f"{second}-{number}")))
            for number in range(20)
        ]
        await settle()
        await clock.advance(2)
        assert set(await asyncio.gather(*flood)) == {TokenFault.UNKNOWN_KEY}
        assert issuer.readings == 1 + second
        # A known key is never held up by the flood.
        await verifier.verify(headers(forge, jti=str(second)))


async def test_rotation_right_after_a_reading_refuses_no_valid_token(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    """The interval is not over when the first token of the new key comes: it waits, it is not refused."""
    await verifier.verify(headers(forge))
    issuer.keys = [*forge.key_set(), public_jwk(forge.rsa_key, "new")]
    waiting = [
        asyncio.create_task(verifier.verify(headers(forge, kid="new", jti=str(number))))
        for number in range(30)
    ]
    await settle()
    assert not any(task.done() for task in waiting)
    await clock.advance(2)
    assert {found.tenant for found in await asyncio.gather(*waiting)} == {"khouribga"}
    assert issuer.readings == 2


async def test_removed_key_is_refused_after_the_next_reading(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    await verifier.verify(headers(forge))
    issuer.keys = [public_jwk(forge.stranger, "other")]
    await clock.advance(299)
    await verifier.verify(headers(forge, jti="within the fresh age"))
    await clock.advance(2)
    assert await fault(verifier, headers(forge, jti="after it")) is TokenFault.UNKNOWN_KEY


async def test_outage_uses_known_keys_up_to_the_stated_age(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, make_verifier: MakeVerifier
) -> None:
    verifier = make_verifier(jwks_fresh_seconds=300, jwks_stale_seconds=3600)
    await verifier.verify(headers(forge))
    issuer.down = True
    for minute in range(6, 60, 6):
        await clock.advance(360)
        await verifier.verify(headers(forge, jti=str(minute)))
        await settle()
    await verifier.ready()
    with pytest.raises(IssuerUnavailable):
        await verifier.verify(headers(forge, kid="unknown-while-nobody-can-be-asked"))
    await clock.advance(3600)
    with pytest.raises(IssuerUnavailable) as refusal:
        await verifier.verify(headers(forge, jti="too late"))
    assert refusal.value.status == 503
    assert "Retry-After" in refusal.value.headers
    issuer.down = False
    await clock.advance(2)
    await verifier.verify(headers(forge, jti="recovered by itself"))


async def test_outage_is_not_hammered(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    issuer.down = True
    for _ in range(20):
        with pytest.raises(IssuerUnavailable):
            await verifier.verify(headers(forge))
    assert len(issuer.requests) == 1
    await clock.advance(2)
    with pytest.raises(IssuerUnavailable):
        await verifier.ready()
    assert len(issuer.requests) == 2


async def test_broken_answer_keeps_the_known_keys(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, verifier: TokenVerifier
) -> None:
    await verifier.verify(headers(forge))
    issuer.answer = lambda: streamed(b'{"keys": "none"}')
    await clock.advance(301)
    await verifier.verify(headers(forge, jti="2"))
    issuer.answer = lambda: httpx.Response(503)
    await clock.advance(301)
    await verifier.verify(headers(forge, jti="3"))


async def test_ready_before_any_token(issuer: FakeIssuer, verifier: TokenVerifier) -> None:
    await verifier.ready()
    await verifier.ready()
    assert issuer.readings == 1


async def test_restart_during_an_outage_refuses_no_valid_token(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, make_verifier: MakeVerifier, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    await make_verifier(jwks_file=file).verify(headers(forge))
    assert file.stat().st_mode & 0o777 == 0o600
    issuer.down = True
    clock.tick(3000)
    restarted = make_verifier(jwks_file=file)
    assert (await restarted.verify(headers(forge))).tenant == "khouribga"
    # The keys are as old as when they were read, not as the process is.
    clock.tick(700)
    with pytest.raises(IssuerUnavailable):
        await make_verifier(jwks_file=file).verify(headers(forge))
    with pytest.raises(IssuerUnavailable):
        await restarted.verify(headers(forge, jti="2"))


async def test_removed_key_is_refused_after_a_restart_too(
    forge: Forge, clock: FakeClock, issuer: FakeIssuer, make_verifier: MakeVerifier, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    await make_verifier(jwks_file=file).verify(headers(forge))
    issuer.keys = [public_jwk(forge.stranger, "other")]
    clock.tick(301)
    assert await fault(make_verifier(jwks_file=file), headers(forge)) is TokenFault.UNKNOWN_KEY


@pytest.mark.parametrize("spoil", ["{", "writable", "issuer", "keys"])
async def test_keys_file_that_cannot_be_trusted_is_ignored(
    spoil: str, forge: Forge, issuer: FakeIssuer, make_verifier: MakeVerifier, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    await make_verifier(jwks_file=file).verify(headers(forge))
    content = file.read_text(encoding="utf-8")
    if spoil == "writable":
        file.chmod(0o666)
    elif spoil == "issuer":
        file.write_text(content.replace(ISSUER, "https://elsewhere.test"), encoding="utf-8")
    elif spoil == "keys":
        file.write_text(content.replace('"kid"', '"id"'), encoding="utf-8")
    else:
        file.write_text(spoil, encoding="utf-8")
    issuer.down = True
    with pytest.raises(IssuerUnavailable):
        await make_verifier(jwks_file=file).verify(headers(forge))
