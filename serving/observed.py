"""The engine and the judge with a span and metrics around each call."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from opentelemetry.trace import SpanKind, Status, StatusCode

from serving.judging.conversation import Check
from serving.judging.policy import Policy
from serving.judging.protocols import Delta, Engine, Generation, Judge, Usage
from serving.judging.verdict import Verdict
from serving.telemetry import JUDGE_CALLS, JUDGE_SECONDS, JUDGE_TOKENS, TRACER


class ObservedEngine:
    """Spans of the native model's generations."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine = engine
        self._model = model

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        span = TRACER.start_span(f"chat {self._model}", kind=SpanKind.CLIENT)
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "vllm",
                "gen_ai.request.model": self._model,
                "gen_ai.request.choice.count": generation.n,
                "mizan.request_id": generation.request_id,
            }
        )
        usage = Usage()
        try:
            async with aclosing(self._engine.generate(generation)) as deltas:
                async for delta in deltas:
                    usage = delta.usage
                    yield delta
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
            span.end()


class ObservedJudge:
    """Spans and metrics of judge calls."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.id = judge.id
        self.digest = judge.digest

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "vllm",
            "gen_ai.request.model": self.id,
            "mizan.stage": check.stage.value,
            "mizan.policy": policy.id,
        }
        outcome = "error"
        with (
            TRACER.start_as_current_span(
                f"chat {self.id}",
                kind=SpanKind.CLIENT,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            JUDGE_SECONDS.labels(check.stage.value).time(),
        ):
            try:
                verdict = await self._judge.judge(check, policy)
                outcome = verdict.outcome.value
            except Exception as error:
                # By its kind alone: an error's message may quote what was judged.
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
            finally:
                JUDGE_CALLS.labels(check.stage.value, outcome).inc()
            JUDGE_TOKENS.labels("prompt").inc(verdict.prompt_tokens)
            JUDGE_TOKENS.labels("cached").inc(verdict.cached_tokens)
            span.set_attribute("gen_ai.usage.input_tokens", verdict.prompt_tokens)
            span.add_event(
                "gen_ai.evaluation.result",
                {
                    "gen_ai.evaluation.name": policy.id,
                    "gen_ai.evaluation.score.label": outcome,
                    "gen_ai.evaluation.score.value": verdict.score if verdict.score is not None else -1.0,
                },
            )
            return verdict
