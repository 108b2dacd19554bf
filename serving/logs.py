"""How the stack's own processes log."""

import structlog


def configure_logs() -> None:
    """Tracebacks without the values of variables, which structlog prints where rich is installed.

    They would hold prompts, answers, tokens and secrets.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
