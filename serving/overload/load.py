"""How busy the judge is, as one gateway replica sees it: checks under way, and how long they take."""

import itertools
import statistics
from collections import deque
from collections.abc import Callable

from serving.overload.settings import OverloadSettings
from serving.telemetry import JUDGE_CHECKS_IN_FLIGHT

LEAST_SAMPLES = 5
"""Fewer recent checks say nothing: a single slow one is no overload."""

MOST_SAMPLES = 21
"""Of a fast judge only the latest checks, so that what it is like now counts."""


class JudgeLoad:
    """Follows checks from their beginning to their end. `clock` gives seconds."""

    def __init__(self, settings: OverloadSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._numbers = itertools.count()
        self._begun: dict[int, float] = {}
        self._ended: deque[tuple[float, float]] = deque(maxlen=MOST_SAMPLES)

    def begin(self) -> int:
        """A check is queued; the number to end it by."""
        number = next(self._numbers)
        self._begun[number] = self._clock()
        JUDGE_CHECKS_IN_FLIGHT.inc()
        return number

    def end(self, number: int, *, completed: bool) -> None:
        """A check is over. One that its client gave up says nothing about the judge."""
        begun, now = self._begun.pop(number), self._clock()
        JUDGE_CHECKS_IN_FLIGHT.dec()
        if completed:
            self._ended.append((now, now - begun))

    @property
    def checks(self) -> int:
        """Checks queued or under way."""
        return len(self._begun)

    def latency(self) -> float:
        """Seconds that the median recent check took; one that takes too long already counts as it stands."""
        now = self._clock()
        while self._ended and now - self._ended[0][0] > self._settings.window_seconds:
            self._ended.popleft()
        seconds = [taken for _, taken in self._ended]
        ages = (now - begun for begun in self._begun.values())
        seconds += [age for age in ages if age > self._settings.max_latency * (1 - self._settings.spread)]
        return statistics.median(seconds) if len(seconds) >= LEAST_SAMPLES else 0.0

    def pressure(self) -> float:
        """How far the nearer of both bounds is used up; 1 is the bound."""
        settings = self._settings
        return max(self.checks / settings.max_checks, self.latency() / settings.max_latency)
