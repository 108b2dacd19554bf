"""Limits as clients read them: OpenAI's headers, and the refusal.

Source: the OpenAI API reference, "Rate limits in headers".
"""

import math

from auth.tenants import Tenant
from serving.errors import RequestError
from serving.limits.rates import STREAMS, Unit
from serving.limits.store import Decision

_UNITS: tuple[Unit, ...] = ("requests", "tokens")


def limit_headers(decision: Decision) -> dict[str, str]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`.

    Of several limits on the same thing, the one with least left. `reset` is the time until all of it is free.
    """
    headers = {}
    for unit in _UNITS:
        standings = [standing for standing in decision.standings if standing.rate.unit == unit]
        if standings:
            tightest = min(standings, key=lambda standing: standing.remaining)
            headers[f"x-ratelimit-limit-{unit}"] = str(tightest.limit)
            headers[f"x-ratelimit-remaining-{unit}"] = str(tightest.remaining)
            headers[f"x-ratelimit-reset-{unit}"] = duration(tightest.reset)
    return headers


def limit_error(tenant: Tenant, decision: Decision, tokens: int) -> RequestError:
    """The 429 for a claim that was refused. `tokens` is what it asked for."""
    name = decision.refused_by or ""
    unit = "tokens" if name.startswith("tokens") else "requests"
    limit = tenant.limits.concurrent_streams if name == STREAMS else getattr(tenant.limits, name)
    what = f"{name.replace('_', ' ')} of this tenant: {limit}"
    headers = {**limit_headers(decision), "x-mizan-limit": name}
    if decision.retry_after is None:
        # Stock clients honour it: asking again cannot help.
        headers["x-should-retry"] = "false"
        message = f"This request needs more than the limit on {what}"
        message += f"; it may take up to {tokens} tokens." if unit == "tokens" else "."
    else:
        wait = max(1, math.ceil(decision.retry_after))
        headers["Retry-After"] = str(wait)
        message = f"The limit on {what}, is reached. Try again in {wait} s."
    return RequestError(429, message, code="rate_limit_exceeded", kind=unit, headers=headers)


def duration(seconds: float) -> str:
    """Seconds in OpenAI's notation, as in `6m0s`, `1s`, `250ms`; rounded up to a millisecond."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    whole, rest = divmod(milliseconds, 1000)
    hours, minutes, whole = whole // 3600, whole % 3600 // 60, whole % 60
    text = f"{whole}.{rest:03d}".rstrip("0").rstrip(".") if rest else str(whole)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{text}s"
