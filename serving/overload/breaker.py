"""A circuit breaker towards the judge.

Source: M. Nygard, "Release It!", chapter on stability patterns.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import IntEnum

import structlog

from serving.overload.settings import OverloadSettings
from serving.telemetry import JUDGE_CIRCUIT, JUDGE_CIRCUIT_TRANSITIONS

_log = structlog.get_logger("mizan.overload")


class Circuit(IntEnum):
    """`closed`: the judge is asked. `open`: it is not. `half_open`: a probe is asking it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Opens after failures in a row, probes by itself, and closes when a probe succeeds.

    The probe is the gateway's own question, not a request of somebody: nobody's work is risked on it, and
    nobody can keep the circuit open by giving up half-way. `probe` raises where the judge does not answer.

    A failure that a text could have caused, as a timeout, proves nothing: then a probe must fail as well
    before the circuit opens, or whoever sends texts that take too long would shut out everybody.
    """

    def __init__(
        self, settings: OverloadSettings, probe: Callable[[], Awaitable[object]], clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._probe = probe
        self._clock = clock
        self._failures = 0
        self._next_probe = 0.0
        self._recovery: asyncio.Task[None] | None = None
        self.circuit = Circuit.CLOSED
        self.era = 0

    @property
    def closed(self) -> bool:
        return self.circuit is Circuit.CLOSED

    @property
    def retry_after(self) -> float:
        """Seconds until the next probe."""
        return max(0.0, self._next_probe - self._clock())

    def succeeded(self, era: int) -> None:
        """A check that was begun in `era` was answered."""
        if era == self.era:
            self._failures = 0

    def failed(self, era: int, reason: str, *, proven: bool) -> None:
        """A check failed; `proven` where no text can be the cause.

        One that was begun before the circuit last changed is old news.
        """
        if era != self.era or not self.closed:
            return
        self._failures += 1
        if self._failures < self._settings.breaker_failures or self._recovering:
            return
        if proven:
            self._open(reason)
        self._recovery = asyncio.get_running_loop().create_task(self._recover(reason))

    async def close(self) -> None:
        """Stop probing."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)

    @property
    def _recovering(self) -> bool:
        return self._recovery is not None and not self._recovery.done()

    async def _recover(self, reason: str) -> None:
        if self.closed:
            if await self._answers() or self._failures == 0:
                self._failures = 0
                return
            self._open(reason)
        while not self.closed:
            await asyncio.sleep(self._settings.breaker_open_seconds)
            self._become(Circuit.HALF_OPEN, "probing")
            if await self._answers():
                self._become(Circuit.CLOSED, "the probe was answered")
            else:
                self._open("the probe was not answered")

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(self._settings.breaker_probe_timeout):
                await self._probe()
        except Exception:  # noqa: BLE001  whatever is wrong, the judge did not answer
            return False
        return True

    def _open(self, reason: str) -> None:
        self._next_probe = self._clock() + self._settings.breaker_open_seconds
        self._become(Circuit.OPEN, reason)

    def _become(self, circuit: Circuit, reason: str) -> None:
        self.circuit = circuit
        self.era += 1
        self._failures = 0
        JUDGE_CIRCUIT.set(circuit.value)
        JUDGE_CIRCUIT_TRANSITIONS.labels(circuit.name.lower()).inc()
        _log.warning("judge_circuit", circuit=circuit.name.lower(), reason=reason)
