"""The environment that every process of a stack runs in: silent, offline, marked."""

import os
from pathlib import Path

from cluster.instance import MARK_VARIABLE, Instance


def stack_environment(instance: Instance) -> dict[str, str]:
    """The caller's environment with what the stack needs."""
    return {
        **os.environ,
        **(_local_ray(instance) if instance.settings.ray.address is None else {}),
        MARK_VARIABLE: instance.mark,
        # Sovereign: no usage statistics, no hub.
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        # A process that changes its title keeps its environment, and with it the mark.
        "SPT_NOENV": "1",
        # Engines are not background work: Ray would start them at niceness 15.
        "RAY_worker_niceness": "0",
        # Streaming through Ray Serve costs per item; this makes it five times cheaper.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "PROMETHEUS_MULTIPROC_DIR": str(instance.metrics),
        "VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "WARNING"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_root()), os.environ.get("PYTHONPATH", "")])),
    }


def _local_ray(instance: Instance) -> dict[str, str]:
    """A Ray, and engines, that nobody else reaches: on loopback only, and with a token of their own."""
    return {
        # Ray takes the loopback address for its node's only where it believes that there can be no cluster;
        # it replaces the one that it is given by the machine's own.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Other users of the machine reach loopback, and whoever reaches Ray runs code.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "",
        "RAY_AUTH_TOKEN_PATH": str(instance.ray_token),
        # Engines would listen for other nodes on whatever address this machine's name stands for.
        "VLLM_HOST_IP": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
    }


def _root() -> Path:
    return Path(__file__).parent.parent
