"""Follows one answer from admission to settlement: its span, its deadline, its metrics."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from serving.entrance import Visit
from serving.errors import RequestError, as_request_error
from serving.judging.chain import Block, Event, Release, Settlement
from serving.judging.policy import Policy
from serving.judging.protocols import Generation
from serving.telemetry import (
    EXPOSED,
    FIRST_RELEASE_SECONDS,
    IN_FLIGHT,
    REQUEST_SECONDS,
    REQUESTS,
    TOKENS,
    TRACER,
)


class Account:
    """Books one answer, whatever becomes of it: settled, failed, too late or abandoned by its client."""

    def __init__(self, route: str, model: str, generation: Generation, policy: Policy) -> None:
        self._route = route
        self._mode = policy.mode.value
        self._started = time.perf_counter()
        self._span = TRACER.start_span(
            f"POST {route}",
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": "POST",
                "http.route": route,
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "mizan",
                "gen_ai.request.model": model,
                "mizan.request_id": generation.request_id,
                "mizan.policy": policy.id,
                "mizan.mode": policy.mode.value,
            },
        )

    async def watch(
        self, events: AsyncGenerator[Event, None], seconds: float, visit: Visit
    ) -> AsyncGenerator[Event, None]:
        """Pass events on until the settlement.

        Raises RequestError 504 past `seconds`, and whatever the visit is refused with meanwhile: it is asked
        before every event. The visit ends with the answer.
        """
        deadline = self._started + seconds
        status, outcome, first = 499, "disconnected", True
        IN_FLIGHT.inc()
        try:
            async with aclosing(events):
                while True:
                    with trace.use_span(self._span, record_exception=False, set_status_on_exception=False):
                        event = await _next(events, deadline)
                    if event is None:
                        break
                    visit.require_allowed()
                    if first and isinstance(event, Release | Block):
                        FIRST_RELEASE_SECONDS.observe(time.perf_counter() - self._started)
                        first = False
                    if isinstance(event, Block | Settlement):
                        visit.found(event.judgement)
                    if isinstance(event, Settlement):
                        status, outcome = 200, event.judgement.verdict.outcome.value
                        self._settle(event)
                    yield event
        except Exception as error:
            mapped = as_request_error(error)
            status, outcome = mapped.status, mapped.code or "error"
            if status >= 500:
                # By its kind alone: an error's message may quote what was said.
                self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            visit.leave()
            IN_FLIGHT.dec()
            REQUESTS.labels(self._route, str(status), outcome).inc()
            REQUEST_SECONDS.labels(self._route).observe(time.perf_counter() - self._started)
            self._span.set_attribute("http.response.status_code", status)
            self._span.set_attribute("mizan.outcome", outcome)
            self._span.end()

    def _settle(self, settlement: Settlement) -> None:
        tally = settlement.judgement.tally
        for fate in ("generated", "judged", "released", "wasted", "exposed"):
            TOKENS.labels(fate).inc(getattr(tally, fate))
        if not settlement.judgement.verdict.passed:
            EXPOSED.labels(self._mode).observe(tally.exposed)
        self._span.set_attribute("gen_ai.usage.input_tokens", settlement.usage.prompt_tokens)
        self._span.set_attribute("gen_ai.usage.output_tokens", settlement.usage.completion_tokens)


async def _next(events: AsyncGenerator[Event, None], deadline: float) -> Event | None:
    try:
        async with asyncio.timeout(max(deadline - time.perf_counter(), 0.001)):
            return await anext(events)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise RequestError(504, "The answer took too long.", code="timeout") from None
