"""Runs the cells against a gateway: state by state of the judge, several exchanges at a time."""

import asyncio
import time
from collections.abc import Callable, Sequence

from benchmarks.conformance import matrix
from benchmarks.conformance.answers import Answer, answer_for
from benchmarks.conformance.cells import Cell, Channel, Ending, JudgeState, Route
from benchmarks.conformance.evidence import examine
from benchmarks.conformance.exchange import Client, request_body
from benchmarks.conformance.gateways.gateway import Gateway, GatewayError
from benchmarks.conformance.results import Result, State, assess
from benchmarks.conformance.upstream.listening import Upstream

ABORTS_WITHIN = 5.0
"""Seconds that a gateway has to stop the generation of a client that has left."""

Heard = Callable[[Result], None]
Feature = tuple[Route, bool, int, Channel]


class Run:
    """One gateway under one matrix. Use once."""

    def __init__(
        self, gateway: Gateway, upstream: Upstream, *, patience: float = 30.0, at_once: int = 10
    ) -> None:
        self._gateway = gateway
        self._upstream = upstream
        self._client = Client(gateway.url, gateway.headers, patience)
        self._places = asyncio.Semaphore(at_once)
        self._missing: dict[Feature, str] = {}

    async def run(self, cells: Sequence[Cell], heard: Heard = lambda _: None) -> list[Result]:
        """All results, in the order of the cells. Raises GatewayError where the gateway answers nothing."""
        try:
            await self._probe()
            results: dict[int, Result] = {}
            last = [cell for cell in cells if cell.ending is Ending.GATEWAY_KILLED]
            for group in (*_by_judge(cells), last):
                if group:
                    await self._upstream.set_judge(group[0].judge)
                    for cell, result in zip(group, await self._group(group, heard), strict=True):
                        results[id(cell)] = result
            return [results[id(cell)] for cell in cells]
        finally:
            await self._upstream.set_judge(JudgeState.HEALTHY)
            await self._client.aclose()

    async def _probe(self) -> None:
        """Find out what the gateway does not offer."""
        await self._upstream.set_judge(JudgeState.HEALTHY)
        results = await asyncio.gather(*(self._cell(cell) for cell in matrix.probes()))
        for result in results:
            if not result.state.held and result.state is not State.NO_VERDICT:
                cell = result.cell
                if result.state is not State.LEAKED:
                    self._missing[cell.route, cell.stream, cell.n, cell.channel] = result.detail
        if len(self._missing) == len(results):
            raise GatewayError(f"{self._gateway.name} answers no request: {results[0].detail}")

    def _lacks(self, cell: Cell) -> str | None:
        for n in (1, cell.n):
            channel = cell.channel if n == 1 else Channel.CONTENT
            if (found := self._missing.get((cell.route, cell.stream, n, channel))) is not None:
                return found
        return None

    async def _group(self, cells: Sequence[Cell], heard: Heard) -> list[Result]:
        async def one(cell: Cell) -> Result:
            async with self._places:
                result = await self._timed(cell)
            heard(result)
            return result

        if cells[0].ending is not Ending.GATEWAY_KILLED:
            return list(await asyncio.gather(*(one(cell) for cell in cells)))
        return await self._killed(cells, heard)

    async def _killed(self, cells: Sequence[Cell], heard: Heard) -> list[Result]:
        """All at once: the gateway dies in the middle of every one of these answers."""
        kill = self._gateway.kill
        if kill is None:
            return [Result(cell, State.NOT_SUPPORTED, "not the suite's to kill") for cell in cells]
        exchanges = [asyncio.create_task(self._timed(cell)) for cell in cells]
        await asyncio.sleep(2.0)
        await asyncio.to_thread(kill)
        results = list(await asyncio.gather(*exchanges))
        for result in results:
            heard(result)
        return results

    async def _timed(self, cell: Cell) -> Result:
        if (why := self._lacks(cell)) is not None:
            return Result(cell, State.NOT_SUPPORTED, why)
        return await self._cell(cell)

    async def _cell(self, cell: Cell) -> Result:
        began = time.monotonic()
        answer = answer_for(cell)
        self._upstream.model.learn(answer)
        transcript = await self._client.hold(cell, request_body(cell, answer, self._gateway.model))
        ended = time.monotonic()
        abort = await self._abort(answer, ended) if cell.ending is Ending.CLIENT_LEAVES else None
        evidence = examine(answer, transcript, self._upstream.journal.passed_for(answer.key))
        state, detail = assess(cell, evidence, transcript, abort)
        return Result(cell, state, detail, ended - began)

    async def _abort(self, answer: Answer, since: float) -> float | None:
        """Seconds until the model was told to stop; 0.0 where it never began. None: it was not told."""
        model = self._upstream.model
        while time.monotonic() < since + ABORTS_WITHIN:
            if answer.key in model.left:
                return max(0.0, model.left[answer.key] - since)
            if answer.key in model.ended:
                return None
            await asyncio.sleep(0.05)
        return None if answer.key in model.begun else 0.0


def _by_judge(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells in groups of one judge's state; without those that kill the gateway."""
    groups = [
        [cell for cell in cells if cell.judge is state and cell.ending is not Ending.GATEWAY_KILLED]
        for state in JudgeState
    ]
    return [group for group in groups if group]
