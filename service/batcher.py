"""Answers the questions of many requests by few calls."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")

# Bounds the size of one reply of Redis.
MAX_QUESTIONS = 64


class Batcher(Generic[Question, Answer]):
    """Answers all questions that arrive during one call by the next call. Equal questions are answered once."""

    def __init__(self, answer: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self._answer = answer
        self._waiting: dict[Question, asyncio.Future[Answer]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer:
        """Returns the answer of a call that begins after this one."""
        future = self._waiting.setdefault(question, asyncio.get_running_loop().create_future())
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer_all())
        # A request that is cancelled must not cancel the answer of the others.
        return await asyncio.shield(future)

    async def _answer_all(self) -> None:
        while self._waiting:
            questions = list(islice(self._waiting, MAX_QUESTIONS))
            futures = [self._waiting.pop(question) for question in questions]
            try:
                answers = await run_in_threadpool(self._answer, questions)
            except Exception as error:  # noqa: BLE001, every request that asked gets this error
                for future in futures:
                    future.set_exception(error)
            else:
                for future, answer in zip(futures, answers, strict=True):
                    future.set_result(answer)
