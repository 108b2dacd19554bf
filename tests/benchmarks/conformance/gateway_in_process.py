"""Mizan's gateway in this process, on the suite's scripted model and judge."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.conformance.gateways.gateway import Gateway
from benchmarks.conformance.upstream.listening import Listener, Upstream
from serving.overload.settings import OverloadSettings
from serving.simulated_upstream import UpstreamEngine
from serving.simulator import Script
from tests.serving.gateways import MODEL, DevelopmentIssuer, Model, build


class UpstreamModel(Model, UpstreamEngine):
    """What `build` expects of an engine, asking the suite's servers."""


@contextlib.asynccontextmanager
async def gateway_on(
    upstream: Upstream,
    folder: Path,
    application: str = "khouribga-assistant",
) -> AsyncIterator[Gateway]:
    """The gateway as the tenant of `application` sees it."""
    issuer = DevelopmentIssuer(folder)
    model = UpstreamModel(Script(server=upstream.model_listener.url))
    judge = UpstreamModel(Script(server=upstream.judge_listener.url))
    # No check of these tests is about time: a machine that is slow must not turn verdicts into refusals.
    # Nor does a circuit breaker answer in the judge's stead: every cell is to ask it.
    overload = OverloadSettings(max_latency=600, breaker_failures=1_000_000)
    stack = build(issuer, engine=model, judge=judge, policy={"judge_timeout": 120.0}, overload=overload)
    listener = Listener(stack.app)
    await listener.start()
    try:
        headers = {"authorization": f"Bearer {issuer.token(application)}"}
        yield Gateway("Mizan", "in process", listener.url, MODEL, headers)
    finally:
        await listener.stop()
        await model.aclose()
        await judge.aclose()
        stack.services.tenants.close()
        await stack.services.entrance.close()
        await stack.services.operators.close()
        await stack.services.verifier.close()
