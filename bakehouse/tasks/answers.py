"""The answer to a task, as it crosses Redis: the bytes of the result, or why there is none."""

from typing import Literal

from bakehouse.model import Model
from bakehouse.recipe.problems import Problem

FailureCode = Literal[
    "invalid_recipe", "dataset_not_ready", "member_lost", "storage_unavailable", "timeout", "out_of_memory",
    "interrupted", "internal", "invalid_rows", "malformed_json", "checkpoint_unusable",
]  # fmt: skip
RESULT = b"+"
FAILURE = b"-"


class TaskFailure(Model):
    """Why a task has no result."""

    code: FailureCode
    message: str
    errors: tuple[Problem, ...] = ()
    """With `invalid_recipe`: the problems, with pointers into the canonical recipe. With `invalid_rows`: the problems,
    with pointers into the body that was sent."""
    dataset: str = ""
    """With `dataset_not_ready`: its name."""


class TaskFailed(Exception):
    """Raised if a task has no result."""

    def __init__(self, failure: TaskFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def encode_result(result: bytes) -> bytes:
    """Returns the answer with a result."""
    return RESULT + result


def encode_failure(failure: TaskFailure) -> bytes:
    """Returns the answer that says why there is no result."""
    return FAILURE + failure.model_dump_json().encode()


def decode(answer: bytes) -> bytes:
    """Returns the result. Raises TaskFailed if there is none."""
    if answer[:1] == RESULT:
        return answer[1:]
    raise TaskFailed(TaskFailure.model_validate_json(answer[1:]))
