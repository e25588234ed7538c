"""Questions that arrive together are answered by one call."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from service.batcher import MAX_QUESTIONS, Batcher


class Doubler:
    """Doubles numbers once it is allowed to; refuses -1."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.has_begun = threading.Event()
        self.may_answer = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        self.has_begun.set()
        self.may_answer.wait()
        if -1 in numbers:
            raise ValueError(-1)
        return [2 * number for number in numbers]


async def ask_during_a_call(doubler: Doubler, numbers: Sequence[int]) -> list["asyncio.Task[int]"]:
    """Asks for 0, and for the numbers while the call that answers 0 is in progress."""
    batcher: Batcher[int, int] = Batcher(doubler)
    tasks = [asyncio.create_task(batcher.ask(0))]
    await asyncio.to_thread(doubler.has_begun.wait)
    tasks += [asyncio.create_task(batcher.ask(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


def test_questions_during_a_call_share_the_next_call_and_equal_ones_an_answer() -> None:
    async def ask(doubler: Doubler) -> list[int]:
        tasks = await ask_during_a_call(doubler, [1, 2, 1, 0])
        doubler.may_answer.set()
        return await asyncio.gather(*tasks)

    doubler = Doubler()
    assert asyncio.run(ask(doubler)) == [0, 2, 4, 2, 0]
    # The second question for 0 came after the first call had begun, so it needs a newer answer.
    assert doubler.calls == [[0], [1, 2, 0]]


def test_a_call_answers_a_limited_number_of_questions() -> None:
    async def ask(doubler: Doubler) -> list[int]:
        tasks = await ask_during_a_call(doubler, range(1, 2 * MAX_QUESTIONS))
        doubler.may_answer.set()
        return await asyncio.gather(*tasks)

    doubler = Doubler()
    assert asyncio.run(ask(doubler)) == [2 * number for number in range(2 * MAX_QUESTIONS)]
    assert [len(call) for call in doubler.calls] == [1, MAX_QUESTIONS, MAX_QUESTIONS - 1]


def test_an_error_reaches_all_that_asked_and_later_questions_are_answered() -> None:
    async def ask(doubler: Doubler) -> int:
        tasks = await ask_during_a_call(doubler, [1, -1])
        doubler.may_answer.set()
        assert await tasks[0] == 0
        for task in tasks[1:]:
            with pytest.raises(ValueError, match="-1"):
                await task
        return await Batcher(doubler).ask(4)

    assert asyncio.run(ask(Doubler())) == 8


def test_a_cancelled_question_does_not_cancel_the_others() -> None:
    async def ask(doubler: Doubler) -> int:
        _, cancelled, kept = await ask_during_a_call(doubler, [5, 5])
        cancelled.cancel()
        doubler.may_answer.set()
        return await kept

    assert asyncio.run(ask(Doubler())) == 10
