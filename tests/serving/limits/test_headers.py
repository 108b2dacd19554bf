"""Limits in OpenAI's words."""

import pytest

from auth.limits import TenantLimits
from auth.tenants import Tenant
from serving.limits.headers import duration, limit_error, limit_headers
from serving.limits.rates import RATES
from serving.limits.store import Decision, Standing

REQUESTS, TOKENS, DAY = RATES
TENANT = Tenant(
    id="khouribga",
    name="Khouribga",
    limits=TenantLimits(
        requests_per_minute=60, tokens_per_minute=1000, tokens_per_day=0, concurrent_streams=2
    ),
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0171, "18ms"), (1, "1s"), (6.25, "6.25s"), (60, "1m0s"), (360, "6m0s"),
     (59.9999, "1m0s"), (3600, "1h0m0s"), (86_400, "24h0m0s"), (3661.5, "1h1m1.5s")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_headers_name_the_limit_with_least_left() -> None:
    decision = Decision(
        None,
        0,
        0,
        (Standing(REQUESTS, 60, 1, 1.0), Standing(TOKENS, 1000, 100, 60.5), Standing(DAY, 5000, 4900, 3600)),
    )
    assert limit_headers(decision) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "5000",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "1h0m0s",
    }
    assert limit_headers(Decision(None, 0, 0)) == {}


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("requests_per_minute", "requests", "requests per minute of this tenant: 60"),
        ("tokens_per_minute", "tokens", "tokens per minute of this tenant: 1000"),
        ("concurrent_streams", "requests", "concurrent streams of this tenant: 2"),
    ],
)
def test_a_refusal_that_will_pass(name: str, kind: str, words: str) -> None:
    error = limit_error(TENANT, Decision(name, 12.3, 0), 700)
    assert (error.status, error.code, error.kind) == (429, "rate_limit_exceeded", kind)
    assert error.headers["Retry-After"] == "13"
    assert error.headers["x-mizan-limit"] == name
    assert words in error.message


def test_a_refusal_that_will_not() -> None:
    error = limit_error(TENANT, Decision("tokens_per_day", None, 0), 700)
    assert "Retry-After" not in error.headers
    assert error.headers["x-should-retry"] == "false"
    assert "700 tokens" in error.message
