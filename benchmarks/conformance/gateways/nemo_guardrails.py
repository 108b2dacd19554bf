"""NeMo Guardrails' server with its self check of input and output, asked of the scripted judge."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.conformance.gateways.environment import environment, version_in
from benchmarks.conformance.gateways.gateway import Gateway
from benchmarks.conformance.gateways.server_process import kill, server_process
from benchmarks.conformance.upstream.listening import Upstream
from benchmarks.conformance.upstream.model import MODEL
from cluster.free_ports import free_ports

_LEFT_OUT = (
    "tool output rails: they need a Colang flow of one's own, the library has none for calls",
    "dialog rails, parallel rails, other checks than the self check",
    "the actions server, threads, knowledge bases and caching",
)
_QUESTION = "Should this text be blocked? <<<{{ %s }}>>> Answer yes or no."


@contextmanager
def running_nemo_guardrails(
    upstream: Upstream, environments: Path, *, stream_first: bool = False
) -> Iterator[Gateway]:
    """The server; `stream_first`, its default, sends a chunk before it is checked. Raises GatewayError."""
    python = environment("nemo_guardrails", environments)
    with tempfile.TemporaryDirectory(prefix="mizan-nemo-") as name:
        folder = Path(name)
        config = folder / "config" / "conformance"
        config.mkdir(parents=True)
        (config / "config.yml").write_text(json.dumps(_config(upstream, stream_first)), encoding="utf-8")
        (port,) = free_ports(1)
        environ = {
            **os.environ,
            "HOME": str(folder),
            "OPENAI_API_KEY": "none",
            "NEMO_GUARDRAILS_TELEMETRY_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        environ.pop("PYTHONPATH", None)
        command = [str(python), "-m", "nemoguardrails", "server", "--config", str(config.parent)]
        options = ["--default-config-id", "conformance", "--disable-chat-ui", "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        with server_process([*command, *options], environ, f"{url}/v1/rails/configs", folder) as process:
            yield Gateway(
                name="NeMo Guardrails server" + (", stream_first" if stream_first else ""),
                version=version_in("nemo_guardrails", "nemoguardrails"),
                url=url,
                model=MODEL,
                settings=(
                    "rails self check input and self check output, passthrough true",
                    f"output streaming enabled, chunk_size 200, context_size 50, stream_first {stream_first}",
                    "the judge's calls may take 6 s, no retries",
                ),
                left_out=_LEFT_OUT,
                kill=lambda: kill(process),
            )


def _config(upstream: Upstream, stream_first: bool) -> dict[str, Any]:
    def model(kind: str, url: str) -> dict[str, Any]:
        parameters = {"base_url": f"{url}/v1", "timeout": 6 if kind != "main" else 60, "max_retries": 0}
        return {"type": kind, "engine": "openai", "model": MODEL, "parameters": parameters}

    judge = upstream.judge_listener.url
    return {
        "models": [
            model("main", upstream.model_listener.url),
            model("self_check_input", judge),
            model("self_check_output", judge),
        ],
        "passthrough": True,
        "rails": {
            "input": {"flows": ["self check input"]},
            "output": {
                "flows": ["self check output"],
                "streaming": {
                    "enabled": True,
                    "chunk_size": 200,
                    "context_size": 50,
                    "stream_first": stream_first,
                },
            },
        },
        "prompts": [
            {"task": "self_check_input", "content": _QUESTION % "user_input"},
            {"task": "self_check_output", "content": _QUESTION % "bot_response"},
        ],
    }
