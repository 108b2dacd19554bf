"""What the suite needs to know of a gateway."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway. `kill` ends it without a chance to clean up; None where the suite may not.

    `settings` says how it was set up and `left_out` what was not configured: reports repeat both.
    """

    name: str
    version: str
    url: str
    model: str
    headers: dict[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    kill: Callable[[], None] | None = None


class GatewayError(Exception):
    """A gateway that cannot be installed, started or asked; the message is one sentence and the reason."""
