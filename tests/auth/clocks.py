"""A clock that stands still until a test moves it."""

import asyncio


class FakeClock:
    """Wall and elapsed time moved by `advance`; sleepers wake when their time has come."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        return self._now

    def elapsed(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self._elapsed + seconds, event))
        await event.wait()

    def tick(self, seconds: float) -> None:
        """Move both times and wake whoever has waited long enough."""
        self._now += seconds
        self._elapsed += seconds
        due = [entry for entry in self._sleepers if entry[0] <= self._elapsed]
        self._sleepers = [entry for entry in self._sleepers if entry[0] > self._elapsed]
        for _, event in due:
            event.set()

    async def advance(self, seconds: float) -> None:
        """Move both times and let whoever waited run."""
        self.tick(seconds)
        await settle()


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(50):
        await asyncio.sleep(0)
