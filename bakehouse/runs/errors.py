"""Exceptions that the store of runs raises. They are independent of HTTP.

RunsError
├── RunNotFound          there is no run with this id
├── RecordUnreadable     another version wrote the run
├── CursorNotFound       a page should begin at a run that does not exist
├── IllegalTransition    the run's status or pending request does not allow the action
├── RunHasDependants     other runs build on the weights of the run that should be deleted
├── SourceRunDeleted     the run whose weights a new run builds on was deleted meanwhile
├── DatasetDeleted       the data set that a new run trains on was deleted meanwhile
├── ExperimentChanged    the experiment that a write should change was changed or deleted meanwhile
├── RunReplaced          another run is in the place of the run in its experiment
├── ExperimentHeld       the experiment of the run lets none of its runs start at the moment
├── OwnershipLost        the writer no longer owns the run; it must stop and change nothing
├── IdempotencyMismatch  the idempotency key was used before with another body
├── FolderNotShared      a process does not see the folder that holds the runs' files
│   ├── MarkerNotFound   its folder has no marker, perhaps because nothing is mounted at this moment
│   └── MarkerDamaged    Redis does not hold the marker of any folder, but other data
├── LogDamaged           the archived log of a run is missing or damaged
├── StorageFull          the artifact store has too little free space
└── StorageUnavailable   the artifact store cannot be read or written
"""

import errno
from typing import Literal

from bakehouse.plurals import listed
from bakehouse.runs.status import Request, Status

# A message names this many runs and counts the rest.
MAX_NAMED = 5
# A quota may be used up although the disk has room, and a file may be larger than the file system allows.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class RunsError(Exception):
    """Base class of the errors above; their messages are sentences for the user."""


class RunNotFound(RunsError):
    """Raised if there is no run with this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id!r}.")
        self.run_id = run_id


class RecordUnreadable(RunsError):
    """Raised if another version of Bakehouse wrote the run's record and this version cannot read it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} was written by another version of Bakehouse; this version cannot read it.")
        self.run_id = run_id


class CursorNotFound(RunsError):
    """Raised if a page of the list should begin at a run that does not exist."""

    def __init__(self, cursor: str, parameter: Literal["after", "before"]) -> None:
        super().__init__(f"There is no run {cursor!r} at which a page could begin.")
        self.cursor = cursor
        self.parameter = parameter


class IllegalTransition(RunsError):
    """Raised if the run's status or pending request does not allow the action."""

    def __init__(self, run_id: str, *, status: Status, request: Request | None, asked: str) -> None:
        pending = f" and was asked to {request}" if request else ""
        super().__init__(f"The run {run_id} is {status}{pending}; it cannot be {asked}.")
        self.run_id = run_id
        self.status = status
        self.request = request
        self.asked = asked


class RunHasDependants(RunsError):
    """Raised if other runs build on the weights of the run that should be deleted."""

    def __init__(self, run_id: str, dependants: tuple[str, ...]) -> None:
        names = listed(dependants, MAX_NAMED)
        super().__init__(f"The run {run_id} cannot be deleted before the runs that build on its weights: {names}.")
        self.run_id = run_id
        self.dependants = dependants


class SourceRunDeleted(RunsError):
    """Raised if the run whose weights a new run builds on was deleted while the new run was created."""

    def __init__(self, source: str) -> None:
        super().__init__(f"The run {source}, whose weights this run builds on, was deleted meanwhile.")
        self.source = source


class DatasetDeleted(RunsError):
    """Raised if the data set that a new run trains on was deleted while the run was created."""

    def __init__(self, dataset: str) -> None:
        super().__init__(f"The data set {dataset} was deleted meanwhile.")
        self.dataset = dataset


class ExperimentChanged(RunsError):
    """Raised if an experiment was changed or deleted since it was read; the writer reads it again."""

    def __init__(self, experiment_id: str) -> None:
        super().__init__(f"The experiment {experiment_id} was changed meanwhile.")
        self.experiment_id = experiment_id


class RunReplaced(RunsError):
    """Raised if a run of an experiment should be retried that was retried before."""

    def __init__(self, run_id: str, replaced_by: str) -> None:
        super().__init__(
            f"The run {run_id} was retried already: in its experiment, {replaced_by} is in its place. "
            "Retry that run once it is over."
        )
        self.run_id = run_id
        self.replaced_by = replaced_by


class ExperimentHeld(RunsError):
    """Raised if no run of the experiment may be claimed, because it is paused or ends, or has its limit of runs."""

    def __init__(self, run_id: str, experiment_id: str) -> None:
        super().__init__(f"The experiment {experiment_id} does not let the run {run_id} start at the moment.")
        self.run_id = run_id
        self.experiment_id = experiment_id


class OwnershipLost(RunsError):
    """Raised if the writer no longer owns the run; it must then stop and change nothing."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"This process no longer owns the run {run_id}.")
        self.run_id = run_id


class IdempotencyMismatch(RunsError):
    """Raised if an idempotency key was used before with another body."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key!r} was used with another body.")
        self.key = key


class FolderNotShared(RunsError):
    """Raised if a process does not see the folder that holds the runs' files."""


class MarkerNotFound(FolderNotShared):
    """Raised if a folder is registered and the process's folder has no marker. It may have one in a moment."""


class MarkerDamaged(FolderNotShared):
    """Raised if the text in Redis is not the entry of a folder, so that nobody knows which folder is the right one."""


class LogDamaged(RunsError):
    """Raised if the archived log of a run is missing or is not what was written."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The archived log of the run {run_id} is missing or damaged.")
        self.run_id = run_id


class StorageFull(RunsError):
    """Raised if the artifact store has too little free space; without numbers if it refused a write for this reason."""

    def __init__(self, *, needed: int | None = None, free: int | None = None) -> None:
        refused = (
            "The artifact store takes no more data: its disk or a quota is used up, or a file is too large for it."
        )
        advice = " Delete runs or data sets that are no longer needed, or give its folder more room."
        super().__init__(
            (refused if needed is None else f"The artifact store has {free:,} bytes free; {needed:,} are needed.")
            + advice
        )
        self.needed = needed
        self.free = free


class StorageUnavailable(RunsError):
    """Raised if the artifact store cannot be read or written, for another reason than its free space."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The artifact store cannot be used at the moment: {reason}.")
        self.reason = reason


def storage_error(error: OSError) -> StorageFull | StorageUnavailable:
    """Returns the error of the artifact store that an error of the operating system means; its text names no path."""
    if error.errno in NO_ROOM:
        return StorageFull()
    return StorageUnavailable(error.strerror or type(error).__name__)
