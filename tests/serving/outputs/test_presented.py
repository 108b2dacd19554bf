"""What a reader puts together of a stream is what was judged, however the model mixes its channels."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from serving.chunks import chunk_of
from serving.judging.chain import Block, Chain, Release
from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Criterion, Mode, Policy
from serving.judging.protocols import Delta, Generation
from serving.judging.verdict import Outcome, Verdict
from serving.outputs.presented import PresentedEngine

CALL = {"index": 0, "function": {"name": "open", "arguments": "{}"}}


class Streaming:
    """An engine that says these deltas."""

    def __init__(self, *said: dict[str, Any]) -> None:
        self._said = said

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        last = len(self._said) - 1
        for number, delta in enumerate(self._said):
            ended = "stop" if number == last else None
            choice = {"index": generation.n - 1, "delta": delta, "token_ids": [1], "finish_reason": ended}
            yield Delta((chunk_of(choice),))


class Listening:
    """A judge of answers that minds one word."""

    id, digest = "words", ""

    def __init__(self) -> None:
        self.heard: list[tuple[Stage, str]] = []

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        self.heard.append((check.stage, check.text))
        found = check.stage is Stage.ANSWER and "bomb" in check.text
        outcome = Outcome.FLAGGED if found else Outcome.PASSED
        return Verdict(outcome, check.stage, self.id, "", policy.id, policy.version)


@pytest.mark.parametrize("mode", [Mode.GATE, Mode.WINDOW])
@pytest.mark.parametrize(
    "said",
    [
        [{"content": "a bo"}, {"content": "mb", "tool_calls": [CALL]}, {}],
        [{"content": "a bo"}, {"reasoning": "well"}, {"content": "mb"}],
        [{"reasoning": "a bo"}, {"content": "well"}, {"reasoning": "mb"}],
        [{"content": "a bo"}, {"reasoning": "well", "content": "mb"}],
    ],
)
async def test_what_is_read_as_one_is_judged_as_one(said: list[dict[str, Any]], mode: Mode) -> None:
    judge = Listening()
    policy = Policy(
        id="p", version="1", mode=mode, first_window=1, criteria=(Criterion(id="harm", description="harm"),)
    )
    engine = PresentedEngine(Streaming(*said))
    chain = Chain(engine, judge, policy, Generation("r", {}), (Message("user", "?"),))
    events = [event async for event in chain.run()]
    assert any(isinstance(event, Block) for event in events)
    left = [chunk.text for event in events if isinstance(event, Release) for chunk in event.chunks]
    assert not any("mb" in text for text in left)
