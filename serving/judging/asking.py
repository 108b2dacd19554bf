"""Asking a judge so that whatever goes wrong comes back as an undecided verdict, which does not pass."""

import asyncio
from dataclasses import replace

from serving.judging.conversation import Check, Stage
from serving.judging.policy import Policy
from serving.judging.protocols import Judge, JudgeError
from serving.judging.verdict import Outcome, Verdict


async def ask(judge: Judge, policy: Policy, check: Check) -> Verdict:
    """One judge call within the policy's time. Raises CancelledError and nothing else."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        async with asyncio.timeout(policy.judge_timeout) as limit:
            verdict = await judge.judge(check, policy)
        if limit.expired():
            raise TimeoutError
        if verdict.stage is not check.stage:
            raise JudgeError("garbled", "the verdict is on another stage than was asked")
        if verdict.score is not None and not 0.0 <= verdict.score <= 1.0:
            raise JudgeError("garbled", "the verdict's score is not a probability")
    except TimeoutError:
        verdict = undecided(judge, policy, check.stage, "timeout")
    except JudgeError as error:
        verdict = undecided(judge, policy, check.stage, error.reason)
    except asyncio.CancelledError:
        verdict = undecided(judge, policy, check.stage, "cancelled")
    except Exception:  # noqa: BLE001  a judge that fails in an unforeseen way must block, not crash
        verdict = undecided(judge, policy, check.stage, "failed")
    if is_cancelled():
        # Also where the judge swallowed it: the asker is being closed and must not wait on.
        raise asyncio.CancelledError
    return verdict if verdict.latency else replace(verdict, latency=loop.time() - started)


def undecided(judge: Judge, policy: Policy, stage: Stage, reason: str) -> Verdict:
    """The verdict of a judge that could not decide."""
    return Verdict(
        outcome=Outcome.UNDECIDED,
        stage=stage,
        judge=judge.id,
        judge_digest=judge.digest,
        policy=policy.id,
        policy_version=policy.version,
        policy_digest=policy.digest,
        reason=reason,
    )


def is_cancelled() -> bool:
    """Whether this task itself was cancelled, rather than something it awaits raising CancelledError."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
