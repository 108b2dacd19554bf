"""Who is refused under pressure: the lowest priority first, with hysteresis."""

from serving.overload.settings import OverloadSettings


class Shedding:
    """Refuses every priority whose threshold the pressure has reached, until it has fallen well below that.

    A priority p from -100 to 100 has the threshold 1 + spread × p / 100, so that a lower one is always
    refused where a higher one is, and there are as many stages as priorities. The cut follows the pressure at
    once upwards, and downwards only when the pressure is below `resume` of it (backlash).
    """

    def __init__(self, settings: OverloadSettings) -> None:
        self._spread = settings.spread
        self._resume = settings.resume
        self._cut = 0.0

    def refuses(self, priority: int, pressure: float) -> bool:
        """Whether a request of that priority is refused at this pressure, and at what it was before."""
        self._cut = min(max(self._cut, pressure), pressure / self._resume)
        return self._cut >= 1 + self._spread * priority / 100
