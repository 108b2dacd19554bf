"""Held-back chunks: what is taken, when, and that nothing is lost or taken twice."""

import asyncio
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from serving.judging.choice import Choice, Window
from serving.judging.protocols import Chunk
from tests.serving.judging.scenario import chunks_of
from tests.serving.judging.scripted import silent_chunk, text_chunk, tool_chunk
from tests.serving.judging.virtual_time import run


@dataclass
class Taken:
    """What windows gave, and what was there at each."""

    windows: list[Window]
    arrived: list[int]


async def _take_all(chunks: list[Chunk], pauses: list[int], least: int, whole: bool) -> Taken:
    choice = Choice(0)
    taken = Taken([], [])
    arrived = 0

    async def arrive() -> None:
        nonlocal arrived
        for number, chunk in enumerate(chunks):
            for _ in range(pauses[number % len(pauses)]):
                await asyncio.sleep(0)
            choice.arrive(chunk)
            arrived += 1

    arriving = asyncio.get_running_loop().create_task(arrive())
    while not taken.windows or not taken.windows[-1].finished:
        taken.windows.append(await choice.window(least, whole))
        taken.arrived.append(arrived)
    await arriving
    return taken


@given(
    chunks_of(0), st.lists(st.integers(0, 3), min_size=1, max_size=5), st.sampled_from((1, 3)), st.booleans()
)
def test_windows_partition_what_arrived(
    chunks: list[Chunk], pauses: list[int], least: int, whole: bool
) -> None:
    taken = run(_take_all(chunks, pauses, least, whole))
    assert [chunk for window in taken.windows for chunk in window.chunks] == chunks
    so_far: list[Chunk] = []
    for window, arrived in zip(taken.windows, taken.arrived, strict=True):
        so_far += window.chunks
        assert len(so_far) == arrived, "a window takes all that has arrived"
        assert window.text == "".join(chunk.text for chunk in so_far if not chunk.tool)
        assert window.tool_text == "".join(chunk.text for chunk in so_far if chunk.tool)
        assert window.tokens == sum(chunk.tokens for chunk in so_far)
        if not window.finished:
            assert sum(chunk.tokens for chunk in window.chunks) >= least
            assert any(chunk.text for chunk in window.chunks)
            assert not any(chunk.tool for chunk in window.chunks)
            assert not whole


def test_what_comes_after_a_close_is_counted_and_dropped() -> None:
    choice = Choice(0)
    choice.arrive(text_chunk(0, 0))
    choice.close()
    choice.arrive(text_chunk(0, 1, tokens=3))
    assert choice.tokens == 4
    assert choice.text == "<0.0>"
    choice.arrive(silent_chunk(0, finish="stop"))
    assert choice.finished
    assert run(choice.window(1, whole=False)).chunks == ()


def test_half_a_tool_call_is_not_a_window() -> None:
    async def scene() -> bool:
        choice = Choice(0)
        choice.arrive(text_chunk(0, 0))
        choice.arrive(tool_chunk(0, 1))
        waiting = asyncio.get_running_loop().create_task(choice.window(1, whole=False))
        await asyncio.sleep(1)
        assert not waiting.done()
        choice.arrive(silent_chunk(0, finish="tool_calls"))
        return len((await waiting).chunks) == 3

    assert run(scene())
