"""Run as a program: exercises the vLLM adapter on real weights and prints what it saw as JSON."""

import asyncio
import json
import sys
from contextlib import aclosing
from typing import Any

from serving.engine import VllmEngine
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.protocols import Chunk, EngineError, Generation
from tests.serving.engine_outputs import observe_outputs

LABELS = (" Yes", " No")


def _chat(request_id: str, text: str, **more: Any) -> Generation:
    body = {
        "messages": [{"role": "user", "content": text}],
        "max_completion_tokens": 12,
        "temperature": 0.7,
        "seed": 7,
    }
    return Generation(request_id, {**body, **more}, n=2)


async def _observe(engine: VllmEngine) -> dict[str, Any]:
    chunks: list[Chunk] = []
    usage = None
    async for delta in engine.generate(_chat("a", "What is phosphate?")):
        chunks += delta.chunks
        usage = delta.usage
    assert usage is not None
    seen: dict[str, Any] = {
        "choices": sorted({chunk.choice for chunk in chunks}),
        "finish": [chunk.finish_reason for chunk in chunks if chunk.finish_reason],
        "tokens": sum(chunk.tokens for chunk in chunks),
        "text": "".join(chunk.text for chunk in chunks if chunk.choice == 0),
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "payload": sorted({key for chunk in chunks for key in chunk.payload}),
    }
    async with aclosing(engine.generate(_chat("b", "Tell a story.", max_completion_tokens=500))) as deltas:
        async for _ in deltas:
            break
    for _ in range(50):
        if engine.unfinished() == 0:
            break
        await asyncio.sleep(0.1)
    seen["unfinished_after_close"] = engine.unfinished()
    try:
        async for _ in engine.generate(_chat("c", "phosphate " * 30_000)):
            pass
    except EngineError as error:
        seen["too_long"] = [error.status, error.code]
    engine.assert_labels(LABELS)
    answers = await engine.score(
        [
            Question("x", (Segment("Is water wet?"),), LABELS, "salt"),
            Question("x", (Segment("Q: "), Segment("wet " * 20_000, splittable=True)), LABELS, "salt"),
        ]
    )
    scores = [answer for answer in answers if isinstance(answer, LabelScores)]
    seen["pieces"] = [len(score.pieces) for score in scores]
    seen["score"] = dict(scores[0].pieces[0])
    seen["labels"] = sorted(scores[0].pieces[0])
    try:
        engine.assert_labels(("certainly not one token",))
    except EngineError:
        seen["long_label_refused"] = True
    seen["reserved"] = list(engine.reserved_tokens())
    return seen


async def _observe_scoring(engine: VllmEngine) -> dict[str, Any]:
    """An engine that only scores, which vLLM steps in this very process."""
    seen: dict[str, Any] = {}
    engine.assert_labels(LABELS)
    water = Question("x", (Segment("Is water wet?"),), LABELS, "salt")
    long = Question("x", (Segment("Q: "), Segment("wet " * 20_000, splittable=True)), LABELS, "other salt")
    cancelled = asyncio.create_task(engine.score([long]))
    while engine.unfinished() == 0:  # noqa: ASYNC110  nothing to wait on
        await asyncio.sleep(0.01)
    cancelled.cancel()
    [first] = await engine.score([water])
    [again] = await engine.score([water])
    assert isinstance(first, LabelScores)
    assert isinstance(again, LabelScores)
    seen["score"] = dict(first.pieces[0])
    seen["again"] = dict(again.pieces[0])
    while engine.unfinished():  # noqa: ASYNC110  as above
        await asyncio.sleep(0.01)
    try:
        async for _ in engine.generate(_chat("d", "Hello")):
            pass
    except EngineError as error:
        seen["chat_refused"] = error.status
    await engine.check_alive()
    engine.stop()
    try:
        await engine.check_alive()
    except Exception as error:  # noqa: BLE001  what vLLM raises is not imported here
        seen["after_stop"] = type(error).__name__
    return seen


async def main() -> None:
    arguments = json.loads(sys.argv[1])
    engine = await VllmEngine.start(arguments, json.loads(sys.argv[2]))
    try:
        await engine.check_ready()
        seen = {**await _observe(engine), "outputs": await observe_outputs(engine)}
    finally:
        engine.stop()
    scoring = await VllmEngine.start(arguments, chat=False)
    await scoring.check_ready()
    print("SEEN " + json.dumps({**seen, "scoring": await _observe_scoring(scoring)}))


if __name__ == "__main__":
    asyncio.run(main())
