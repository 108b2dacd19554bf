"""The faults: each replaces one text, which must occur exactly once in its file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """`old` in `file` becomes `new`."""

    name: str
    file: str
    old: str
    new: str


CHAIN = "serving/judging/chain.py"
CHOICE = "serving/judging/choice.py"
REPAIR = "serving/judging/repair.py"
ASKING = "serving/judging/asking.py"

FAULTS = (
    Fault(
        "release before the verdict",
        CHAIN,
        "            for stage, text in _judged(window):\n",
        "            if self._policy.enforcing and not window.finished:\n"
        "                self._release(choice, window.chunks)\n"
        "                window = replace(window, chunks=())\n"
        "            for stage, text in _judged(window):\n",
    ),
    Fault(
        "release at once whatever the mode",
        CHAIN,
        "if self._policy.mode is Mode.OBSERVE and chunk.finish_reason is None:",
        "if chunk.finish_reason is None:",
    ),
    Fault(
        "skip the tail",
        CHAIN,
        "for stage, text in _judged(window):",
        "for stage, text in [] if window.finished else _judged(window):",
    ),
    Fault(
        "ignore tool calls",
        CHAIN,
        "        stages.append((Stage.TOOL_CALL, window.tool_text))\n",
        "        pass\n",
    ),
    Fault(
        "judge a tool call without what was said with it",
        CHAIN,
        'said = window.text if stage is Stage.TOOL_CALL else ""',
        'said = ""',
    ),
    Fault(
        "number a repaired choice as the engine does",
        REPAIR,
        'payload={**chunk.payload, "index": choice}',
        "payload=chunk.payload",
    ),
    Fault(
        "judge a tool call in parts",
        CHOICE,
        "if whole or self.calling or not any",
        "if whole or not any",
    ),
    Fault(
        "hold a tool call back only from its first text on",
        CHOICE,
        "if whole or self.calling or not any",
        "if whole or self.tool_text or not any",
    ),
    Fault(
        "ignore the tokens that log-probabilities name",
        CHAIN,
        "        stages.append((Stage.ANSWER, window.spelled))\n",
        "        pass\n",
    ),
    Fault(
        "ignore the alternatives that log-probabilities name",
        CHAIN,
        "        stages.append((Stage.ANSWER, window.alternatives))\n",
        "        pass\n",
    ),
    Fault(
        "judge the last window only",
        CHAIN,
        "stages.append((Stage.ANSWER, window.text))",
        'stages.append((Stage.ANSWER, "".join(c.text for c in window.chunks if not c.tool)))',
    ),
    Fault(
        "judge the window before",
        CHOICE,
        "texts = (self.text, self.tool_text)",
        'texts = (self.text.removesuffix("".join(c.text for c in chunks)), self.tool_text)',
    ),
    Fault(
        "a chunk that comes during the check leaves with it",
        CHAIN,
        "                self._release(choice, window.chunks, judgement if window.finished else None)\n",
        "                late = () if choice.finished or choice.calling else tuple(choice._held)\n"
        "                del choice._held[: len(late)]\n"
        "                self._release(\n"
        "                    choice, window.chunks + late, judgement if window.finished else None\n"
        "                )\n",
    ),
    Fault(
        "take the judge's error for a pass",
        ASKING,
        "verdict = undecided(judge, policy, check.stage, error.reason)",
        "verdict = replace(undecided(judge, policy, check.stage, error.reason), outcome=Outcome.PASSED)",
    ),
    Fault(
        "take a crash of the judge for a pass",
        ASKING,
        'verdict = undecided(judge, policy, check.stage, "failed")',
        'verdict = replace(undecided(judge, policy, check.stage, "failed"), outcome=Outcome.PASSED)',
    ),
    Fault(
        "take a timeout for a pass",
        ASKING,
        'verdict = undecided(judge, policy, check.stage, "timeout")',
        'verdict = replace(undecided(judge, policy, check.stage, "timeout"), outcome=Outcome.PASSED)',
    ),
    Fault(
        "wait for the judge without limit",
        ASKING,
        "asyncio.timeout(policy.judge_timeout)",
        "asyncio.timeout(None)",
    ),
    Fault(
        "believe a verdict that came too late",
        ASKING,
        "if limit.expired():",
        "if False:",
    ),
    Fault(
        "treat undecided as a pass",
        CHAIN,
        "if not verdict.passed and self._violated(choice, judgement):",
        "if verdict.outcome is Outcome.FLAGGED and self._violated(choice, judgement):",
    ),
    Fault(
        "treat an undecided prompt as a pass",
        CHAIN,
        "if not first.passed and self._violated(choice, judgement):",
        "if first.outcome is Outcome.FLAGGED and self._violated(choice, judgement):",
    ),
    Fault(
        "accept a verdict on another stage",
        ASKING,
        "if verdict.stage is not check.stage:",
        "if False:",
    ),
    Fault(
        "accept a score that is no probability",
        ASKING,
        "if verdict.score is not None and not 0.0 <= verdict.score <= 1.0:",
        "if False:",
    ),
    Fault(
        "reuse the prompt's verdict for the answer",
        CHAIN,
        "                verdict = await self._check(stage, text, said)\n",
        "                verdict = first\n",
    ),
    Fault(
        "reuse an old verdict after the first window",
        CHAIN,
        "                verdict = await self._check(stage, text, said)\n",
        "                old = judgement.verdict if judgement.calls else None\n"
        "                verdict = old or await self._check(stage, text, said)\n",
    ),
    Fault(
        "go on after a block",
        CHAIN,
        "        self._events.put_nowait(Block(choice.index, judgement))\n",
        "        self._events.put_nowait(Block(choice.index, judgement))\n        return False\n",
    ),
    Fault(
        "release after a block",
        CHAIN,
        "        choice.close()\n",
        "        self._events.put_nowait(Block(choice.index, judgement))\n"
        "        self._release(choice, tuple(choice._held))\n"
        "        return True\n",
    ),
    Fault(
        "a violation does not abort the model",
        CHAIN,
        "            self._pumping.cancel()\n",
        "            pass\n",
    ),
    Fault(
        "a violation in one choice aborts all",
        CHAIN,
        "if self._pumping is not None and all(other.closed or other.finished for other in self._choices):",
        "if self._pumping is not None:",
    ),
    Fault(
        "do not wait for the prompt",
        CHAIN,
        "        first = await asyncio.shield(prompt)\n",
        "        from serving.judging.asking import undecided\n"
        "        doubt = undecided(self._judge, self._policy, Stage.PROMPT, '')\n"
        "        first = replace(doubt, outcome=Outcome.PASSED)\n",
    ),
    Fault(
        "judge the prompt before generating",
        CHAIN,
        "        try:\n            await self._move()\n",
        "        try:\n            await asyncio.sleep(5)\n            await self._move()\n",
    ),
    Fault(
        "treat observing as enforcing",
        CHAIN,
        "        if not self._policy.enforcing:\n",
        "        if False:\n",
    ),
    Fault(
        "treat enforcing as observing",
        CHAIN,
        "        if not self._policy.enforcing:\n",
        "        if True:\n",
    ),
    Fault(
        "a gate opens before the end",
        CHAIN,
        "whole=self._policy.mode is Mode.GATE",
        "whole=False",
    ),
    Fault(
        "leave the model running when the client goes",
        CHAIN,
        "            await _stop(tasks)\n",
        "            await _stop(tasks[1:])\n",
    ),
    Fault(
        "leave the judge running when the client goes",
        CHAIN,
        "            await _stop(tasks)\n",
        "            await _stop([pump])\n",
    ),
    Fault(
        "do not wait until everything has stopped",
        CHAIN,
        "    while not ended.done():\n",
        "    while False:\n",
    ),
    Fault(
        "do not close the engine's generator",
        CHAIN,
        "        async with aclosing(self._engine.generate(self._generation)) as deltas:\n",
        "        deltas = self._engine.generate(self._generation)\n        if True:\n",
    ),
    Fault(
        "swallow the model's failure",
        CHAIN,
        "        if not task.cancelled() and (error := task.exception()) is not None:\n",
        "        if not task.cancelled() and task.exception() is not None and False:\n",
    ),
    Fault(
        "wait for ever for a model that was cancelled elsewhere",
        CHAIN,
        "            if is_cancelled():\n                raise\n",
        "            if True:\n                raise\n",
    ),
    Fault(
        "take half an answer for a whole one",
        CHAIN,
        '            raise EngineError(502, "The model stopped before its answer was complete.")\n',
        "            for choice in self._choices:\n"
        "                choice.arrive(Chunk(choice.index, {}, finish_reason='stop'))\n",
    ),
    Fault(
        "book released tokens before they leave",
        CHAIN,
        "self._tallies[choice.index].released += sum(chunk.tokens for chunk in chunks)",
        "self._tallies[choice.index].released = choice.tokens",
    ),
    Fault(
        "count exposure to the last finding",
        CHAIN,
        "            if choice.index not in self._found:\n",
        "            if True:\n",
    ),
    Fault(
        "judge JSON as it is spelled",
        CHAIN,
        "readable(text)",
        "text",
    ),
    Fault(
        "repair what had begun to leave",
        REPAIR,
        "            and event.choice not in books.begun\n",
        "",
    ),
    Fault(
        "repair without bound",
        REPAIR,
        "range(1, self._policy.repair.attempts + 1)",
        "range(1, 9)",
    ),
    Fault(
        "take doubt for a finding to repair",
        REPAIR,
        "verdict.outcome is Outcome.FLAGGED and verdict.stage",
        "not verdict.passed and verdict.stage",
    ),
    Fault(
        "forget what a failed attempt cost",
        REPAIR,
        "    judgement.tally.add(chain.tally)\n",
        "",
    ),
    Fault(
        "settle without stopping the model",
        CHAIN,
        "                    await _stop([pump])\n",
        "",
    ),
)
