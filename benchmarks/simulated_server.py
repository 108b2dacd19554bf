"""A simulated OpenAI-compatible server with settable delays and faults: no model, no judge.

For the harness's own tests and for its calibration: what `mizan bench` measures here beyond the delays that
were set is its own doing.
"""

import argparse
import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, fields
from time import perf_counter
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODEL = "simulated"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Delays in milliseconds; `*_every` n makes every n-th request end that way, 0 none.

    `tokens_per_release` chunks of one token are sent together, when the last is due. `tokens` is the length
    of an answer where the request's max_tokens is not smaller. `judged` adds a simulated `judgement`.
    """

    first_token_ms: float = 0.0
    token_ms: float = 0.0
    tokens: int = 64
    tokens_per_release: int = 1
    judged: bool = False
    block_every: int = 0
    limit_every: int = 0
    refuse_every: int = 0
    error_every: int = 0
    drop_every: int = 0


class ConnectionCutError(Exception):
    """Raised inside a stream to make the server cut the connection, as a crash would."""


def build_app(behaviour: Behaviour) -> Starlette:
    """The application; counts its requests from 1."""
    counted = 0

    async def chat(request: Request) -> Response:
        nonlocal counted
        counted += 1
        asked = await request.json()

        def falls(every: int) -> bool:
            return every > 0 and counted % every == 0

        if falls(behaviour.limit_every):
            return _error(429, "rate_limit_exceeded")
        if falls(behaviour.refuse_every):
            return _error(400, "invalid_request_error")
        if falls(behaviour.error_every):
            return _error(500, "server_error")
        tokens = min(behaviour.tokens, int(asked.get("max_tokens", behaviour.tokens)))
        blocked, cut = falls(behaviour.block_every), falls(behaviour.drop_every)
        if asked.get("stream"):
            usage = bool((asked.get("stream_options") or {}).get("include_usage"))
            chunks = _stream(behaviour, tokens, blocked=blocked, cut=cut, usage=usage)
            return StreamingResponse(chunks, media_type="text/event-stream")
        await asyncio.sleep((behaviour.first_token_ms + behaviour.token_ms * (tokens - 1)) / 1000)
        message = {"role": "assistant", "content": "refused" if blocked else "word " * tokens}
        choice = {"index": 0, "message": message, "finish_reason": "content_filter" if blocked else "stop"}
        return JSONResponse(
            {"model": MODEL, "choices": [choice], "usage": {"completion_tokens": tokens}}
            | _judgement(behaviour, tokens, blocked=blocked)
        )

    async def models(_: Request) -> Response:
        return JSONResponse(
            {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "benchmarks"}]}
        )

    routes = [Route("/v1/chat/completions", chat, methods=["POST"]), Route("/v1/models", models)]
    return Starlette(routes=routes)


async def _stream(
    behaviour: Behaviour, tokens: int, *, blocked: bool, cut: bool, usage: bool
) -> AsyncIterator[bytes]:
    began = perf_counter()
    for first in range(0, tokens, behaviour.tokens_per_release):
        last = min(first + behaviour.tokens_per_release, tokens)
        # Against the clock, not from chunk to chunk: lateness of one timer must not add up.
        due = began + (behaviour.first_token_ms + behaviour.token_ms * (last - 1)) / 1000
        if (wait := due - perf_counter()) > 0:
            await asyncio.sleep(wait)
        if cut and last * 2 > tokens:
            raise ConnectionCutError
        if blocked and last * 2 > tokens:
            break
        yield _chunk({"content": "word "}) * (last - first)
    reason = "content_filter" if blocked else "stop"
    yield _chunk({}, reason, _judgement(behaviour, tokens, blocked=blocked))
    if usage:
        released = tokens // 2 if blocked else tokens
        yield _event({"model": MODEL, "choices": [], "usage": {"completion_tokens": released}})
    yield b"data: [DONE]\n\n"


def _chunk(delta: dict[str, Any], reason: str | None = None, extra: dict[str, Any] | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return _event({"model": MODEL, "choices": [choice]} | (extra or {}))


def _event(found: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(found).encode() + b"\n\n"


def _judgement(behaviour: Behaviour, tokens: int, *, blocked: bool) -> dict[str, Any]:
    if not behaviour.judged:
        return {}
    released = tokens // 2 if blocked else tokens
    counts = {"generated": tokens, "judged": tokens, "released": released, "wasted": tokens - released}
    return {
        "judgement": {
            "outcome": "flagged" if blocked else "passed",
            "flagged": blocked,
            "calls": -(-tokens // behaviour.tokens_per_release),
            "latency_ms": behaviour.first_token_ms,
            "tokens": counts,
        }
    }


def _error(status: int, kind: str) -> Response:
    return JSONResponse({"error": {"message": "simulated", "type": kind}}, status_code=status)


def build_server(behaviour: Behaviour) -> uvicorn.Server:
    """A server for `build_app`; give its `serve` a bound socket."""
    config = uvicorn.Config(
        build_app(behaviour),
        log_level="critical",
        access_log=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=60,
    )
    return uvicorn.Server(config)


def bind_loopback(port: int = 0) -> socket.socket:
    """A listening loopback socket; port 0 takes a free one."""
    # With the protocol named: asyncio sets TCP_NODELAY only then, and without it every stream waits 40 ms
    # for a delayed acknowledgement.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    found.listen(512)
    return found


def main() -> None:
    """Serves until it is stopped; prints its base URL on the first line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulated_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    for option in fields(Behaviour):
        flag = f"--{option.name.replace('_', '-')}"
        default = asdict(Behaviour())[option.name]
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(default), default=default)
    given = vars(parser.parse_args())
    found = bind_loopback(given.pop("port"))
    print(f"http://127.0.0.1:{found.getsockname()[1]}/v1", flush=True)
    asyncio.run(build_server(Behaviour(**given)).serve(sockets=[found]))


if __name__ == "__main__":
    main()
