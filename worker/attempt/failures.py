"""Turns an exception into the failure that a run records."""

import sys
import traceback
from contextlib import suppress
from pathlib import Path

import torch

from bakehouse.data.errors import DatasetChanged, DatasetError
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.redaction import redact
from bakehouse.runs.errors import StorageFull, StorageUnavailable
from bakehouse.runs.run import Failure
from bakehouse.runs.status import Reason
from worker.attempt.sources import SourceLost
from worker.training.events import NonFinite

ROOT = Path(__file__).parents[2]
OWN_CODE = (ROOT / "bakehouse", ROOT / "worker")
MAX_CHARACTERS = 500


def failure_of(error: Exception, home: Path) -> Failure:
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
            # On a full disk the log takes no more lines.
            with suppress(OSError):
                traceback.print_exception(error, file=sys.stderr)
            return unforeseen(error, home)


def unforeseen(error: Exception, home: Path) -> Failure:
    """Returns the failure for an exception that no case foresees. Another try may succeed, since nobody knows why this
    one failed."""
    exception = redact(exception_line(error), home)[:MAX_CHARACTERS]
    frame = last_own_frame(error)
    message = f"Bakehouse failed with {exception} ({frame}). The log of this attempt has the traceback."
    return Failure(code="internal", message=message, retryable=True, exception=exception, frame=frame)


def exception_line(error: Exception) -> str:
    """Returns the class of the exception and the first line of its text."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def last_own_frame(error: Exception) -> str:
    """Returns the last place in our code that the exception passed; libraries are deeper, and not ours to change."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if any(Path(frame.filename).is_relative_to(folder) for folder in OWN_CODE)]
    if not own:
        return "outside the code of Bakehouse"
    return f"{Path(own[-1].filename).relative_to(ROOT)}, line {own[-1].lineno}, in {own[-1].name}"


def final(code: Reason, message: str, pointer: str) -> Failure:
    """Returns a failure that is not retried, because the unchanged recipe would fail again."""
    return Failure(code=code, message=message, pointer=pointer, retryable=False)


def is_out_of_memory(error: Exception) -> bool:
    # torch has a class of errors for GPUs, but only a message for CPUs, and Python one for a thread's stack.
    is_known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return is_known or any(text in str(error) for text in ("DefaultCPUAllocator", "can't start new thread"))
