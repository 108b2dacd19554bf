"""A judge that does what a test says, on the virtual clock."""

import asyncio

from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Policy, load_policies
from serving.judging.verdict import Outcome, Verdict
from serving.settings import BUNDLED_POLICIES

POLICY = load_policies(BUNDLED_POLICIES)["default"]
PROMPT = Check(Stage.PROMPT, (Message("user", "Bonjour"),))


class ScriptedJudge:
    """Takes `seconds` for a check, works on at most `lanes` at a time, and raises `error` if it is set."""

    id = "scripted"
    digest = "0" * 64

    def __init__(self, seconds: float = 0.1, lanes: int = 1000) -> None:
        self.seconds = seconds
        self.error: Exception | None = None
        self.asked = 0
        self._lanes = asyncio.Semaphore(lanes)

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        self.asked += 1
        async with self._lanes:
            await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return Verdict(Outcome.PASSED, check.stage, self.id, self.digest, policy.id, policy.version)
