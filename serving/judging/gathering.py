"""Gathers the questions of many streams into few calls: calls, not tokens, are what a judge costs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError

Answer = LabelScores | JudgeError
Call = Callable[[list[Question]], Awaitable[list[Answer]]]


@dataclass(eq=False, slots=True)
class _Waiting:
    questions: Sequence[Question]
    answer: asyncio.Future[list[LabelScores]]


class GatheringScorer:
    """A Scorer over a batch call.

    Nothing waits for company: while fewer than `calls_in_flight` calls are out, a question leaves at once;
    beyond that, all that has gathered leaves together when a call returns.

    A failed question fails only its own asker. A caller that is cancelled leaves the call to the others; when
    the last one leaves, the call is cancelled too.
    """

    def __init__(self, call: Call, calls_in_flight: int = 4, max_questions: int = 256) -> None:
        self._call = call
        self._calls_in_flight = calls_in_flight
        self._max_questions = max_questions
        self._queue: list[_Waiting] = []
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def queued(self) -> int:
        """Checks that wait for a call to return."""
        return len(self._queue)

    async def score(self, questions: Sequence[Question]) -> Sequence[LabelScores]:
        """Answer the questions in order. Raises JudgeError."""
        waiting = _Waiting(questions, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._dispatch()
        return await waiting.answer

    def _dispatch(self) -> None:
        while self._queue and len(self._calls) < self._calls_in_flight:
            batch = self._take()
            if not batch:
                return
            call = asyncio.get_running_loop().create_task(self._run(batch))
            self._calls.add(call)
            call.add_done_callback(self._returned)
            abandon = partial(_abandon, call, batch)
            for waiting in batch:
                waiting.answer.add_done_callback(abandon)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].questions) <= self._max_questions):
            waiting = self._queue.pop(0)
            if not waiting.answer.done():
                batch.append(waiting)
                size += len(waiting.questions)
        return batch

    async def _run(self, batch: list[_Waiting]) -> None:
        questions = [question for waiting in batch for question in waiting.questions]
        try:
            answers = await self._call(questions)
            if len(answers) != len(questions):
                raise JudgeError("garbled", "the judge answered another number of questions than were asked")
        except asyncio.CancelledError:
            _fail(batch, JudgeError("cancelled", "the call to the judge was cancelled"))
            raise
        except JudgeError as error:
            _fail(batch, error)
            return
        except Exception as error:  # noqa: BLE001  whatever a transport raises, the judge is unreachable
            _fail(batch, JudgeError("unavailable", f"the judge could not be reached: {type(error).__name__}"))
            return
        start = 0
        for waiting in batch:
            part = answers[start : start + len(waiting.questions)]
            start += len(waiting.questions)
            _settle(waiting, part)

    def _returned(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._dispatch()


def _settle(waiting: _Waiting, answers: list[Answer]) -> None:
    if waiting.answer.done():
        return
    scores: list[LabelScores] = []
    for answer in answers:
        if isinstance(answer, JudgeError):
            waiting.answer.set_exception(JudgeError(answer.reason, str(answer)))
            return
        scores.append(answer)
    waiting.answer.set_result(scores)


def _fail(batch: list[_Waiting], error: JudgeError) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(JudgeError(error.reason, str(error)))


def _abandon(call: asyncio.Task[None], batch: list[_Waiting], _: asyncio.Future[list[LabelScores]]) -> None:
    if not call.done() and all(waiting.answer.cancelled() for waiting in batch):
        call.cancel()
