"""A forged issuer and a verifier that trusts it."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import pytest

from auth.assembly import build_verifier
from auth.settings import IdentitySettings
from auth.verification import TokenVerifier

from .clocks import FakeClock
from .forging import ISSUER, NOW, FakeIssuer, Forge

MakeVerifier: TypeAlias = Callable[..., TokenVerifier]


@pytest.fixture(scope="session")
def forge() -> Forge:
    return Forge()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def issuer(forge: Forge) -> FakeIssuer:
    return FakeIssuer(forge.key_set())


@pytest.fixture
async def make_verifier(clock: FakeClock, issuer: FakeIssuer) -> AsyncIterator[MakeVerifier]:
    """Build verifiers for the fake issuer with changed settings."""
    made: list[TokenVerifier] = []

    def make(**changes: Any) -> TokenVerifier:
        fields: dict[str, Any] = {"issuer": ISSUER, "embedded": {"enabled": False}}
        settings = IdentitySettings.model_validate(fields | changes)
        made.append(build_verifier(settings, clock=clock, transport=issuer.transport()))
        return made[-1]

    yield make
    for verifier in made:
        await verifier.close()


@pytest.fixture
def verifier(make_verifier: MakeVerifier) -> TokenVerifier:
    return make_verifier()
