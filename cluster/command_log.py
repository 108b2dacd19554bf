"""What the parts of a command log: to standard error, and only what is wrong."""

import sys
from typing import Any

import structlog
from structlog.typing import EventDict


def log_problems_only() -> None:
    """Standard output is for what a command prints; routine lines would be in its way."""
    structlog.configure(
        processors=[_drop_routine, structlog.processors.add_log_level, structlog.dev.ConsoleRenderer()],
        # Looked up at every line: what is standard error now may be closed later.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _drop_routine(_: Any, method: str, event: EventDict) -> EventDict:
    if method in {"debug", "info"}:
        raise structlog.DropEvent
    return event
