"""`python -m tests.serving.exporting_gateway FOLDER`: a gateway answers, and its spans are exported.

In a process of its own, since a process has one tracer provider. Where to is in MIZAN_TELEMETRY__…
"""

import asyncio
import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from serving.settings import load
from serving.simulator import Script
from serving.telemetry import start_tracing

from .gateways import DevelopmentIssuer, build


async def main(folder: Path) -> None:
    """Answer a request that passes and one that is blocked."""
    script = Script(answers={"": "capybara", "two": "capybara zarzour"})
    stack = build(DevelopmentIssuer(folder), script=script)
    passed, blocked = await stack.chat("pangolin one"), await stack.chat("pangolin two", stream=True)
    assert passed.headers["x-mizan-outcome"] == "passed"
    assert "content_filter" in blocked.text
    for client in stack.clients:
        await client.aclose()


if __name__ == "__main__":
    start_tracing(load().telemetry)
    asyncio.run(main(Path(sys.argv[1])))
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.shutdown()
