"""Starts vLLM's own OpenAI server on loopback: the arm to compare the whole stack against.

    python -m benchmarks.bare_vllm MODEL_DIR --name smollm2 --port 8100
    mizan bench --arm bare=http://127.0.0.1:8100 --arm mizan=http://127.0.0.1:8000,token-file=token

The defaults are the arguments of the embedded native engine; give a comparison the same arguments on both
sides. The process becomes the server itself: a signal to it reaches vLLM.
"""

import argparse
import os
import sys
from pathlib import Path

from models.processor import number_type

SERVER_MODULE = "vllm.entrypoints.launchers.api_server.entry"
"""`vllm.entrypoints.openai.api_server` is deprecated since 0.32; `vllm serve` starts this module as well."""

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "TORCH_COMPILE_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
"""Offline, silent, and one thread: two engines and the client share the machine. Set ones are kept."""


def server_arguments(options: argparse.Namespace, further: list[str]) -> list[str]:
    """The command line of the server, without the interpreter."""
    return [
        *("-m", SERVER_MODULE),
        *("--host", "127.0.0.1"),
        *("--port", str(options.port)),
        *("--model", str(options.model)),
        *("--served-model-name", options.name or options.model.name),
        *("--dtype", number_type("bfloat16")),
        *("--max-model-len", str(options.max_model_len)),
        *("--kv-cache-memory-bytes", str(options.kv_cache_mib << 20)),
        *("--block-size", "32"),
        *("--max-num-seqs", str(options.max_num_seqs)),
        "--enforce-eager",
        "--enable-prefix-caching",
        "--disable-uvicorn-access-log",
        *further,
    ]


def read_options(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Own options, and those after `--` that go to vLLM as they are."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bare_vllm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Arguments after -- are vLLM's own.",
    )
    parser.add_argument("model", type=Path, help="directory of a prepared model")
    parser.add_argument("--name", help="served model name; default: the directory's name")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--max-model-len", type=int, default=2048)
    parser.add_argument("--max-num-seqs", type=int, default=16)
    parser.add_argument("--kv-cache-mib", type=int, default=512)
    further: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, further = arguments[:at], arguments[at + 1 :]
    options = parser.parse_args(arguments)
    if not (options.model / "config.json").is_file():
        parser.error(f"{options.model} holds no prepared model: no config.json")
    return options, further


def main() -> None:
    """Becomes the server."""
    options, further = read_options(sys.argv[1:])
    command = [sys.executable, *server_arguments(options, further)]
    os.execve(sys.executable, command, ENVIRONMENT | os.environ)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
