"""Whether both models answer, asked at most once a second however many probes come."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from serving.judging.protocols import EngineError

FRESH = 1.0
"""Seconds for which an answer is good."""

PATIENCE = 10.0
"""Seconds after which a silent model counts as not ready."""


class Readiness:
    """Remembers the last answer. `models` maps a name to a check that raises."""

    def __init__(self, models: dict[str, Callable[[], Awaitable[None]]]) -> None:
        self._models = models
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._problem: str | None = None

    async def __call__(self) -> None:
        """Raise EngineError 503 naming what does not answer."""
        async with self._asking:
            if time.monotonic() - self._asked_at > FRESH:
                problems = await asyncio.gather(*(self._ask(name) for name in self._models))
                self._problem = "; ".join(problem for problem in problems if problem) or None
                self._asked_at = time.monotonic()
        if self._problem is not None:
            raise EngineError(503, self._problem, code="not_ready")

    async def _ask(self, name: str) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._models[name]()
        except TimeoutError:
            return f"the {name} does not answer"
        except Exception as error:  # noqa: BLE001  any failure means not ready
            return f"the {name} does not answer: {error}"
        return None
