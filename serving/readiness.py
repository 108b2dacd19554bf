"""Whether both models answer, asked at most once a second however many probes come."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog

from serving.judging.protocols import EngineError

_log = structlog.get_logger("mizan.readiness")

FRESH = 1.0
"""Seconds for which an answer is good."""

PATIENCE = 10.0
"""Seconds after which a silent model counts as not ready."""


class NotReadyError(EngineError):
    """What does not answer, by name, each with what is known of it. The message holds both; pickles."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        parts = (_silent(name) + (f": {problem}" if problem else "") for name, problem in problems.items())
        super().__init__(503, "; ".join(parts), code="not_ready")
        self.problems = dict(problems)

    def __reduce__(self) -> tuple[type["NotReadyError"], tuple[dict[str, str]]]:  # type: ignore[override]  # built from less
        return type(self), (self.problems,)


def reason_of(error: Exception, details: bool) -> str:
    """What to answer of a check that failed: with `details` all of it, else the parts' names alone.

    The rest tells a stranger addresses of issuers, errors of the network and roles that are missing.
    """
    if details:
        return str(error)
    return "; ".join(map(_silent, error.problems)) if isinstance(error, NotReadyError) else "unknown"


class Readiness:
    """Remembers the last answer, and logs each that differs. `models` maps a name to a check that raises."""

    def __init__(self, models: dict[str, Callable[[], Awaitable[None]]]) -> None:
        self._models = models
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._problems: dict[str, str] = {}

    async def __call__(self) -> None:
        """Raise NotReadyError, which is a 503, naming what does not answer."""
        async with self._asking:
            if time.monotonic() - self._asked_at > FRESH:
                answers = await asyncio.gather(*(self._ask(name) for name in self._models))
                self._remember(dict(zip(self._models, answers, strict=True)))
                self._asked_at = time.monotonic()
        if self._problems:
            raise NotReadyError(self._problems)

    def _remember(self, answers: Mapping[str, str | None]) -> None:
        problems = {name: problem for name, problem in answers.items() if problem is not None}
        if problems and problems != self._problems:
            _log.warning("not_ready", reason=str(NotReadyError(problems)))
        elif self._problems and not problems:
            _log.info("ready_again")
        self._problems = problems

    async def _ask(self, name: str) -> str | None:
        """What is wrong, as far as it says; None where nothing is."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._models[name]()
        except TimeoutError:
            return ""
        except Exception as error:  # noqa: BLE001  any failure means not ready
            return str(error)
        return None


def _silent(name: str) -> str:
    return f"the {name} does not answer"
