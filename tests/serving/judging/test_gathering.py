"""Gathering the questions of many streams: to each his own answers, and who leaves takes nobody along."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.judging.gathering import LONG, Answer, GatheringScorer
from serving.judging.prompt import LabelScores, Question, Segment
from serving.judging.protocols import JudgeError
from tests.serving.judging.scenario import waits
from tests.serving.judging.scripted import AT_ONCE, Wait
from tests.serving.judging.virtual_time import run


def question(name: str) -> Question:
    return Question(name, (), ("Yes", "No"))


def answer(name: str) -> LabelScores:
    """An answer that shows which question it belongs to."""
    return LabelScores(({name: -0.1},))


class Calls:
    """The batch call: answers after a wait, fails where it is told to, and keeps a record."""

    def __init__(
        self,
        pauses: Sequence[Wait] = (AT_ONCE,),
        fail: Callable[[int], BaseException | None] = lambda n: None,
    ):
        self.pauses = pauses
        self.fail = fail
        self.batches: list[list[str]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.cancelled = 0

    async def __call__(self, questions: list[Question]) -> list[Answer]:
        number = len(self.batches)
        self.batches.append([q.criterion for q in questions])
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.pauses[number % len(self.pauses)].over()
            error = self.fail(number)
            if error is not None:
                raise error
            return [
                JudgeError("context_exceeded", "too long") if "!" in q.criterion else answer(q.criterion)
                for q in questions
            ]
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1


askers = st.lists(
    st.tuples(st.integers(1, 4), waits, st.booleans(), st.none() | waits), min_size=1, max_size=12
)
failures = st.sampled_from(
    (
        None,
        None,
        None,
        lambda: RuntimeError("gone"),
        lambda: JudgeError("overloaded", "full"),
        asyncio.CancelledError,
    )
)


@given(
    askers,
    st.lists(waits, min_size=1, max_size=4),
    st.lists(failures, min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(1, 6),
)
def test_everyone_gets_their_own_answers_or_one_error(
    asking: list[tuple[int, Wait, bool, Wait | None]],
    pauses: list[Wait],
    failing: list[Callable[[], BaseException] | None],
    in_flight: int,
    most: int,
) -> None:
    def fail(number: int) -> BaseException | None:
        make = failing[number % len(failing)]
        return None if make is None else make()

    calls = Calls(pauses, fail)

    async def scene() -> None:
        scorer = GatheringScorer(calls, in_flight, most)

        async def ask(name: int, size: int, before: Wait, bad: bool) -> list[str] | str:
            await before.over()
            names = [f"{name}.{place}{'!' if bad and place == 0 else ''}" for place in range(size)]
            try:
                scores = await scorer.score([question(each) for each in names])
            except JudgeError as error:
                return error.reason
            assert [next(iter(score.pieces[0])) for score in scores] == names
            return names

        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(ask(i, size, before, bad)) for i, (size, before, bad, _) in enumerate(asking)
        ]

        async def leave(task: asyncio.Task[list[str] | str], after: Wait) -> None:
            await after.over()
            task.cancel()

        leaving = [
            loop.create_task(leave(task, after))
            for task, (*_, after) in zip(tasks, asking, strict=True)
            if after is not None
        ]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*leaving)
        broken = any(failing)
        for result, (_, _, bad, after) in zip(results, asking, strict=True):
            if isinstance(result, BaseException):
                assert isinstance(result, asyncio.CancelledError)
                assert after is not None, "someone else's leaving cancelled this asker"
            elif isinstance(result, str):
                assert result in {"context_exceeded", "unavailable", "overloaded", "cancelled"}
                assert result != "context_exceeded" or bad, "another asker's bad question failed this one"
                assert result == "context_exceeded" or broken
        for _ in range(20):
            await asyncio.sleep(10)
        assert calls.in_flight == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert scorer.queued == 0

    run(scene())
    assert calls.most_in_flight <= in_flight
    for batch in calls.batches:
        assert len(batch) <= most or len({name.split(".")[0] for name in batch}) == 1
    asked = [name for batch in calls.batches for name in batch]
    assert len(asked) == len(set(asked)), "a question was asked twice"


def test_questions_gather_while_calls_are_out() -> None:
    calls = Calls([Wait(1)])

    async def scene() -> None:
        scorer = GatheringScorer(calls, calls_in_flight=1)
        await asyncio.gather(*(scorer.score([question(str(place))]) for place in range(5)))

    run(scene())
    assert calls.batches == [["0"], ["1", "2", "3", "4"]]


def test_a_call_goes_on_while_one_asker_stays_and_ends_when_the_last_leaves() -> None:
    calls = Calls([Wait(1), Wait(5)])

    async def scene() -> None:
        scorer = GatheringScorer(calls, calls_in_flight=1)
        loop = asyncio.get_running_loop()
        ask = [loop.create_task(scorer.score([question(str(place))])) for place in range(3)]
        await asyncio.sleep(2)
        assert ask[0].done()
        ask[1].cancel()
        await asyncio.sleep(1)
        assert calls.in_flight == 1
        ask[2].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert calls.in_flight == 0
        assert calls.cancelled == 1

    run(scene())


@pytest.mark.parametrize("wrong", [[], [answer("a"), answer("b")]])
def test_another_number_of_answers_is_garbled(wrong: list[Answer]) -> None:
    async def call(questions: list[Question]) -> list[Answer]:
        return wrong

    async def scene() -> None:
        await GatheringScorer(call).score([question("a")])

    with pytest.raises(JudgeError) as caught:
        run(scene())
    assert caught.value.reason == "garbled"


def book(name: str) -> Question:
    return Question(name, (Segment("x" * LONG),), ("Yes", "No"))


def test_a_long_text_goes_by_itself_and_leaves_half_of_the_calls_to_others() -> None:
    async def play() -> tuple[Calls, list[str]]:
        calls = Calls(pauses=(Wait(10),))
        scorer = GatheringScorer(calls, calls_in_flight=4)
        ended: list[str] = []

        async def ask(name: str, long: bool) -> None:
            await scorer.score([book(name) if long else question(name)])
            ended.append(name)

        books = [asyncio.create_task(ask(f"book {number}", long=True)) for number in range(6)]
        await asyncio.sleep(1)
        notes = [asyncio.create_task(ask(f"note {number}", long=False)) for number in range(3)]
        await asyncio.gather(*books, *notes)
        return calls, ended

    calls, ended = run(play())
    assert [batch for batch in calls.batches if len(batch) > 1] in ([], [["note 2"]])
    assert all(len(batch) == 1 for batch in calls.batches if batch[0].startswith("book"))
    assert set(ended[:5]) >= {"note 0", "note 1"}, "half of the calls were left for them"
    assert len(ended) == 9
