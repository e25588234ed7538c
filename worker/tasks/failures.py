"""Turns the error of a task into the failure that its client gets."""

import sys
import traceback

from bakehouse.data.errors import DatasetChanged, DatasetError, DatasetNotReady
from bakehouse.recipe.problems import MalformedJson, Problem, RecipeInvalid
from bakehouse.runs.errors import StorageUnavailable
from bakehouse.store.errors import StoreAway
from bakehouse.tasks.answers import TaskFailure
from worker.attempt.failures import is_out_of_memory
from worker.attempt.sources import SourceLost
from worker.tasks.ensembles import MemberLost
from worker.tasks.predict.models import CheckpointUnusable
from worker.tasks.predict.rows import RowsRefused


def failure_of(error: Exception) -> TaskFailure:
    """Returns the failure for an error. Prints an unexpected one, because it is a bug in the task."""
    match error:
        case RecipeInvalid(problems=problems):
            return TaskFailure(code="invalid_recipe", message=str(error), errors=tuple(problems))
        # Files that have just changed are packed by the time of the next request.
        case DatasetNotReady() | DatasetChanged():
            return TaskFailure(code="dataset_not_ready", message=str(error), dataset=error.name)
        case DatasetError():
            return invalid("/dataset/id", "broken_dataset", error)
        case SourceLost():
            return invalid(error.pointer, "checkpoint", error)
        case RowsRefused(problems=problems):
            return TaskFailure(code="invalid_rows", message=str(error), errors=problems)
        case MalformedJson():
            return TaskFailure(code="malformed_json", message=str(error))
        case CheckpointUnusable():
            return TaskFailure(code="checkpoint_unusable", message=str(error))
        case MemberLost():
            return TaskFailure(code="member_lost", message=str(error))
        case StorageUnavailable(reason=reason):
            return TaskFailure(code="storage_unavailable", message=reason)
        case StoreAway():
            return TaskFailure(code="storage_unavailable", message=str(error.strerror))
        case MemoryError() | RuntimeError() if is_out_of_memory(error):
            return TaskFailure(code="out_of_memory", message="the task needs more memory than it may use")
        case _:
            traceback.print_exception(error, file=sys.stderr)
            return TaskFailure(code="internal", message=f"the task failed with {type(error).__name__}")


def invalid(pointer: str, code: str, error: Exception) -> TaskFailure:
    """Returns the failure for a recipe that cannot be used because of one field."""
    problem = Problem(pointer=pointer, code=code, message=str(error))
    return TaskFailure(code="invalid_recipe", message=str(error), errors=(problem,))
