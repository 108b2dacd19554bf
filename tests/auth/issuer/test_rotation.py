"""Keys replaced while tokens are issued and verified: not one valid token may be refused."""

import asyncio
import time

import httpx

from auth.assembly import build_verifier
from auth.issuer.state import IssuerState
from auth.settings import IdentitySettings

from .conftest import RunningIssuer

CLIENT = "khouribga-assistant"


async def test_rotation_under_load_refuses_no_valid_token(issuer: RunningIssuer) -> None:
    settings = IdentitySettings.model_validate(
        issuer.settings.model_dump() | {"jwks_refetch_seconds": 0.5, "http_timeout_seconds": 60}
    )
    verifier = build_verifier(settings)
    stop = asyncio.Event()
    secret = issuer.secret()
    verified: asyncio.Queue[str | None] = asyncio.Queue()

    async def application(http: httpx.AsyncClient) -> None:
        while not stop.is_set():
            answer = await http.post(
                f"{issuer.url}/token", data={"grant_type": "client_credentials"}, auth=(CLIENT, secret)
            )
            found = await verifier.verify([f"Bearer {answer.json()['access_token']}"])
            verified.put_nowait(found.token_id)

    async def rotate_between_tokens() -> None:
        for _ in range(3):
            for _ in range(20):
                await verified.get()
            await asyncio.to_thread(issuer.state_file.update, lambda state: state.rotated(time.time(), 900))
        for _ in range(20):
            await verified.get()
        stop.set()

    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        async with asyncio.TaskGroup() as group:
            group.create_task(rotate_between_tokens())
            for _ in range(4):
                group.create_task(application(http))
        published = (await http.get(f"{issuer.url}/jwks")).json()["keys"]
    await verifier.close()
    assert len(published) >= 4


def test_replaced_keys_are_published_for_the_grace_period() -> None:
    first = IssuerState().rotated(now=0, grace=100)
    second = first.rotated(now=1000, grace=100)
    assert second.signing_key().kid != first.signing_key().kid
    assert [key.kid for key in second.published(1099, 100)] == [second.keys[0].kid, first.keys[0].kid]
    assert second.published(1100, 100) == (second.keys[0],)
    third = second.rotated(now=1100, grace=100)
    assert first.keys[0].kid not in {key.kid for key in third.keys}
