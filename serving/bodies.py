"""What a request's body costs to read: bounded before it is parsed, and paid beside the event loop.

One thread serves all requests of a gateway replica. Whatever takes longer than some milliseconds there keeps
everybody waiting, other tenants included.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

MOST_VALUES: Final = 20_000
"""JSON values of one body. 2048 messages of two parts each have 18,500."""

LARGE: Final = 64 << 10
"""Bytes from which a body is parsed in a thread."""

MANY: Final = 2_000
"""Values from which it is, however few its bytes."""

T = TypeVar("T")


def values_in(text: bytes) -> int:
    """How many values a JSON text holds, at most: an empty object or list counts as two.

    It takes milliseconds for megabytes: nothing is parsed. Each value but the first follows a comma or is the
    first of its container, where neither comma nor bracket may be inside a string.
    """
    text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    strings = text.count(b'"') // 2
    if strings > 2 * MOST_VALUES:  # each is a value, or the name of one
        return strings // 2
    outside = b"".join(text.split(b'"')[::2])
    return 1 + outside.count(b",") + outside.count(b"[") + outside.count(b"{")


async def beside_the_loop(body: bytes, work: Callable[[], T]) -> T:
    """Do `work` on a body: in a thread, where the body is so large that it would keep others waiting."""
    if len(body) < LARGE and values_in(body) < MANY:
        return work()
    return await asyncio.to_thread(work)
