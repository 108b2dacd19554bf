"""Run as a program: the default judge's engine reads a growing answer; prints what it computed, as JSON.

The tokens are vLLM's own counts: a prompt's tokens less those that its prefix cache held.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from serving.engine import VllmEngine
from serving.judging.calibration import load_calibration
from serving.judging.chain import Chain
from serving.judging.conversation import Check, Message, Stage
from serving.judging.judge import TemplateJudge
from serving.judging.policy import Policy, load_policies
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Chunk, Delta, Generation, JudgeError, Usage
from serving.judging.templates.families import template_of
from serving.settings import BUNDLED_POLICIES

CONVERSATION = (Message("user", "Explain, at length, how phosphate rock becomes fertiliser."),)
STORY = """Phosphate rock is mined in open pits, crushed, washed and floated, and then it reacts with acid and
becomes phosphoric acid and gypsum; the acid is concentrated, and with ammonia it becomes granules that are
dried, screened, cooled, stored and shipped to farms where the soil lacks phosphorus."""
WORDS = STORY.split()
LENGTH = 1300


class Counting:
    """Passes questions on; counts what was computed for the answers, and whether the judge is idle."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine
        self._asked = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.computed = 0
        self.checks = 0

    async def score(self, questions: Sequence[Question]) -> list[LabelScores]:
        self._asked += 1
        self.idle.clear()
        try:
            answers = await self._engine.score(questions)
        finally:
            self._asked -= 1
            if not self._asked:
                self.idle.set()
        scores = []
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, JudgeError):
                raise answer
            scores.append(answer)
            if question.criterion == "harmful-answer":
                self.computed += answer.prompt_tokens - answer.cached_tokens
                self.checks += 1
        return scores


class Patient:
    """A native model slower than any judge: its next token comes when no check is under way."""

    def __init__(self, tokens: int, idle: asyncio.Event) -> None:
        self._words = [f"{WORDS[number % len(WORDS)]} " for number in range(tokens)]
        self._idle = idle

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        last = len(self._words) - 1
        for number, word in enumerate(self._words):
            for _ in range(20):
                await asyncio.sleep(0)
            await self._idle.wait()
            finish = "stop" if number == last else None
            payload = {"index": 0, "delta": {"content": word}, "finish_reason": finish}
            yield Delta((Chunk(0, payload, word, 1, finish_reason=finish),), Usage(0, number + 1))


async def measure(engine: VllmEngine, judge_folder: Path, policy: Policy) -> dict[str, int]:
    """Tokens computed for an answer of 1,300 tokens judged as it grew, and for one check of all of it."""
    template = template_of("mizan", (), load_calibration(judge_folder))
    engine.assert_labels(template.labels())
    counting = Counting(engine)
    judge = TemplateJudge(template, counting, "judge", "0" * 64)
    native = Patient(LENGTH, counting.idle)
    chain = Chain(native, judge, policy, Generation("growing", {}, cache_salt="growing"), CONVERSATION)
    async for _ in chain.run():
        pass
    growing, checks = counting.computed, counting.checks
    counting.computed = 0
    whole = "".join(f"{WORDS[number % len(WORDS)]} " for number in range(LENGTH))
    await judge.judge(Check(Stage.ANSWER, CONVERSATION, whole, "whole", "whole"), policy)
    return {"growing": growing, "checks": checks, "whole": counting.computed}


async def main() -> None:
    arguments = json.loads(sys.argv[1])
    policy = load_policies(BUNDLED_POLICIES)["default"]
    engine = await VllmEngine.start(arguments, chat=False)
    try:
        print("SEEN " + json.dumps(await measure(engine, Path(arguments["model"]), policy)))
    finally:
        engine.stop()


if __name__ == "__main__":
    asyncio.run(main())
