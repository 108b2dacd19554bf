"""LiteLLM's proxy with its generic guardrail API calling the scripted judge, before and after each call."""

import json
import os
import secrets
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
    "the guardrails of vendors that LiteLLM integrates, some of which hold the stream back",
    "custom guardrail classes (Python code inside the proxy) and streaming_transform_mode incremental_diff",
    "database, virtual keys, caching, retries and fallbacks",
)


@contextmanager
def running_litellm(upstream: Upstream, environments: Path, *, every: int = 1) -> Iterator[Gateway]:
    """The proxy, asking the judge on every `every`th chunk of a stream. Raises GatewayError."""
    python = environment("litellm", environments)
    with tempfile.TemporaryDirectory(prefix="mizan-litellm-") as name:
        folder = Path(name)
        config = folder / "config.yaml"
        config.write_text(json.dumps(_config(upstream, every)), encoding="utf-8")
        (port,) = free_ports(1)
        key = f"sk-{secrets.token_hex(32)}"
        command = [str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1"]
        environ = {
            **os.environ,
            "HOME": str(folder),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MASTER_KEY": key,
        }
        environ.pop("PYTHONPATH", None)
        url = f"http://127.0.0.1:{port}"
        with server_process(
            [*command, "--port", str(port), "--telemetry", "False"],
            environ,
            f"{url}/health/liveliness",
            folder,
        ) as process:
            yield Gateway(
                name=f"LiteLLM proxy, judged every {every} chunks" if every > 1 else "LiteLLM proxy",
                version=version_in("litellm", "litellm"),
                url=url,
                model=MODEL,
                headers={"authorization": f"Bearer {key}"},
                settings=(
                    "generic_guardrail_api, mode [pre_call, post_call], default_on",
                    f"streaming_sampling_rate {every}" + (" (the default)" if every == 5 else ""),
                    "unreachable_fallback fail_closed, fail_on_error true (the defaults), timeout 6 s",
                ),
                left_out=_LEFT_OUT,
                kill=lambda: kill(process),
            )


def _config(upstream: Upstream, every: int) -> dict[str, Any]:
    base = f"{upstream.model_listener.url}/v1"
    return {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {"model": f"openai/{MODEL}", "api_base": base, "api_key": "none"},
            }
        ],
        "litellm_settings": {"num_retries": 0, "request_timeout": 60, "telemetry": False},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "guardrails": [
            {
                "guardrail_name": "scripted-judge",
                "litellm_params": {
                    "guardrail": "generic_guardrail_api",
                    "mode": ["pre_call", "post_call"],
                    "api_base": upstream.judge_listener.url,
                    "default_on": True,
                    "unreachable_fallback": "fail_closed",
                    "fail_on_error": True,
                    "timeout": 6,
                    "streaming_sampling_rate": every,
                },
            }
        ],
    }
