"""One round: an arm under one arrival process until its tickets run out."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from time import perf_counter_ns, process_time

from benchmarks.arms.arm import Arm
from benchmarks.load.arrivals import Arrivals
from benchmarks.load.chat_client import ChatClient
from benchmarks.load.records import RequestRecord, Round
from benchmarks.load.request import ChatRequest

Compose = Callable[[int], ChatRequest]
Seen = Callable[[RequestRecord], None]


async def run_round(
    arm: Arm, arrivals: Arrivals, compose: Compose, *, timeout_s: float, index: int, seen: Seen
) -> Round:
    """Runs it to the end. Connections are opened by each worker's first request, and count in it."""
    records: list[RequestRecord] = []

    async def work(client: ChatClient) -> None:
        while (ticket := await arrivals.next()) is not None:
            record = await client.ask(compose(ticket.sequence), ticket)
            records.append(record)
            seen(record)

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(ChatClient(arm, timeout_s)) for _ in range(arrivals.workers)
        ]
        cpu = process_time()
        began = perf_counter_ns()
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(work(client))
        wall_ns = perf_counter_ns() - began
        cpu = process_time() - cpu
    records.sort(key=lambda record: record.sequence)
    return Round(arm.name, arrivals.workers, index, wall_ns / 1e9, cpu, tuple(records))
