"""Turns an exception into the failure that a run records."""

import sys
import traceback

import torch

from bakehouse.data.errors import DatasetChanged, DatasetError
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.errors import StorageFull, StorageUnavailable
from bakehouse.runs.run import Failure
from bakehouse.runs.status import Reason
from worker.attempt.sources import SourceLost
from worker.training.events import NonFinite


def failure_of(error: Exception) -> Failure:
    """Returns a failure that tells the user the cause. Prints an unexpected exception, because it is a bug in the
    worker."""
    match error:
        case NonFinite():
            message = f"The loss is not finite from step {error.step} on. A lower learning rate or a norm may help."
            return final("non_finite", message, error.pointer)
        case StorageFull():
            # The disk may have space again by the next attempt.
            return Failure(code="storage_full", message=str(error), retryable=True)
        case StorageUnavailable():
            return Failure(code="storage_unavailable", message=str(error), retryable=True)
        case SourceLost():
            return final("checkpoint", str(error), error.pointer)
        case DatasetChanged():
            return final("dataset_changed", str(error), "/dataset/id")
        case DatasetError() | RecipeInvalid():
            return final("dataset", str(error), "/dataset")
        # A GPU's torch.OutOfMemoryError is a RuntimeError, so this case covers it.
        case MemoryError() | RuntimeError() if is_out_of_memory(error):
            return final("out_of_memory", "The device has too little memory.", "/batch_size")
        case _:
            traceback.print_exception(error, file=sys.stderr)
            message = f"The worker failed with {type(error).__name__}; its log has the details."
            return Failure(code="internal", message=message, retryable=True)


def final(code: Reason, message: str, pointer: str) -> Failure:
    """Returns a failure that is not retried, because the unchanged recipe would fail again."""
    return Failure(code=code, message=message, pointer=pointer, retryable=False)


def is_out_of_memory(error: Exception) -> bool:
    # torch has a class of errors for GPUs, but only a message for CPUs, and Python one for a thread's stack.
    is_known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return is_known or any(text in str(error) for text in ("DefaultCPUAllocator", "can't start new thread"))
