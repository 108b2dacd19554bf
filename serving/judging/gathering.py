"""Gathers the questions of many streams into few calls: calls, not tokens, are what a judge costs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import JudgeError

Answer = LabelScores | JudgeError
Call = Callable[[list[Question]], Awaitable[list[Answer]]]


LONG = 32_000
"""Characters from which a check goes by itself: a call returns when its longest question is answered."""


@dataclass(eq=False, slots=True)
class _Waiting:
    questions: Sequence[Question]
    answer: asyncio.Future[list[LabelScores]]
    long: bool


class GatheringScorer:
    """A Scorer over a batch call.

    Nothing waits for company: while fewer than `calls_in_flight` calls are out, a question leaves at once;
    beyond that, all that has gathered leaves together when a call returns. Long texts leave one by one, and
    never hold more than half of the calls, so that nobody's answer waits for somebody else's book.

    A failed question fails only its own asker. A caller that is cancelled leaves the call to the others; when
    the last one leaves, the call is cancelled too.
    """

    def __init__(self, call: Call, calls_in_flight: int = 4, max_questions: int = 256) -> None:
        self._call = call
        self._calls_in_flight = calls_in_flight
        self._max_questions = max_questions
        self._queue: list[_Waiting] = []
        self._calls: dict[asyncio.Task[None], bool] = {}

    @property
    def queued(self) -> int:
        """Checks that wait for a call to return."""
        return len(self._queue)

    async def score(self, questions: Sequence[Question]) -> Sequence[LabelScores]:
        """Answer the questions in order. Raises JudgeError."""
        length = sum(len(segment.text) for question in questions for segment in question.segments)
        waiting = _Waiting(questions, asyncio.get_running_loop().create_future(), length >= LONG)
        self._queue.append(waiting)
        self._dispatch()
        return await waiting.answer

    def _dispatch(self) -> None:
        while self._queue and len(self._calls) < self._calls_in_flight:
            batch = self._take()
            if not batch:
                return
            call = asyncio.get_running_loop().create_task(self._run(batch))
            self._calls[call] = batch[0].long
            call.add_done_callback(self._returned)
            abandon = partial(_abandon, call, batch)
            for waiting in batch:
                waiting.answer.add_done_callback(abandon)

    def _take(self) -> list[_Waiting]:
        """Those that leave together, oldest first: one long one, or as many short ones as one call takes."""
        waiting = [one for one in self._queue if not one.answer.done()]
        long_may_go = sum(self._calls.values()) < max(1, self._calls_in_flight // 2)
        first = next((one for one in waiting if long_may_go or not one.long), None)
        batch: list[_Waiting] = [] if first is None else [first]
        if first is not None and not first.long:
            size = len(first.questions)
            for one in waiting:
                if one is first or one.long:
                    continue
                size += len(one.questions)
                if size > self._max_questions:
                    break
                batch.append(one)
        taken = set(batch)
        self._queue = [one for one in waiting if one not in taken]
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
        del self._calls[call]
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
