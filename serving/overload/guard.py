"""Stands between the gateway and the judge: measures, refuses new work in time, and does not ask in vain."""

import asyncio
import math
from collections.abc import Callable

from auth.tenants import Tenant
from serving.errors import RequestError
from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Policy
from serving.judging.protocols import Judge, JudgeError
from serving.judging.verdict import Verdict
from serving.overload.breaker import CircuitBreaker
from serving.overload.load import JudgeLoad
from serving.overload.settings import OverloadSettings
from serving.overload.shedding import Shedding
from serving.telemetry import JUDGE_PRESSURE, SHED, tenant_label

GONE = frozenset({"unavailable", "overloaded", "failed", "cancelled"})
"""Reasons of errors that are the judge's own. The others come from the text or the policy, and whoever sends
such a text must not be able to make the judge look gone."""

PROVEN = frozenset({"unavailable", "overloaded"})
"""Those that no text can cause: the judge was not reached at all."""

PROBE = Check(Stage.PROMPT, (Message("user", "Hello"),))

LONGEST_RETRY = 30


def loop_time() -> float:
    """The running event loop's clock, by which timeouts of checks go."""
    return asyncio.get_running_loop().time()


class GuardedJudge:
    """A judge that is asked only while it answers, and whose answers are timed."""

    def __init__(
        self, judge: Judge, settings: OverloadSettings, clock: Callable[[], float] = loop_time
    ) -> None:
        self.id = judge.id
        self.digest = judge.digest
        self._judge = judge
        self._clock = clock
        self._load = JudgeLoad(settings, clock)
        self._shedding = Shedding(settings)
        self._breaker = CircuitBreaker(settings, self._probe, clock)
        self._policy: Policy | None = None

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        """Ask the judge. Raises JudgeError, at once where it is known to be gone."""
        if not self._breaker.closed:
            raise JudgeError("circuit_open", "the judge does not answer at present")
        self._policy = policy
        era, begun, completed = self._breaker.era, self._clock(), True
        number = self._load.begin()
        try:
            verdict = await self._judge.judge(check, policy)
        except asyncio.CancelledError:
            # The asker's own timeout, or a client that left. The deadline was set just before this began.
            completed = self._clock() - begun >= 0.95 * policy.judge_timeout
            if completed:
                self._breaker.failed(era, "timeout", proven=False)
            raise
        except JudgeError as error:
            if error.reason in GONE:
                self._breaker.failed(era, error.reason, proven=error.reason in PROVEN)
            else:
                self._breaker.succeeded(era)
            raise
        except Exception as error:
            self._breaker.failed(era, type(error).__name__, proven=False)
            raise
        else:
            self._breaker.succeeded(era)
            return verdict
        finally:
            self._load.end(number, completed=completed)

    def require_capacity(self, tenant: Tenant) -> None:
        """Raise RequestError 503 where the judge is gone, or too busy for new work of that tenant."""
        if not self._breaker.closed:
            self._refuse(tenant, "judge_unavailable", "does not answer", self._breaker.retry_after)
        pressure = self._load.pressure()
        JUDGE_PRESSURE.set(pressure)
        if self._shedding.refuses(tenant.limits.priority, pressure):
            self._refuse(tenant, "judge_overloaded", "cannot keep up", self._load.latency())

    async def close(self) -> None:
        """Stop probing."""
        await self._breaker.close()

    def _refuse(self, tenant: Tenant, code: str, what: str, seconds: float) -> None:
        SHED.labels(tenant_label(tenant.id), code).inc()
        wait = min(max(1, math.ceil(seconds)), LONGEST_RETRY)
        raise RequestError(
            503, f"The judge {what}; try again shortly.", code=code, headers={"Retry-After": str(wait)}
        )

    async def _probe(self) -> None:
        """Ask under the policy last asked under. An error that is not the judge's own is an answer."""
        if self._policy is None:
            raise RuntimeError("nothing has been asked yet")
        try:
            await self._judge.judge(PROBE, self._policy)
        except JudgeError as error:
            if error.reason in GONE:
                raise
