"""Errors of the record of runs. Nothing here knows of HTTP.

RunsError
├── RunNotFound          no such run
├── RecordUnreadable     another version wrote the run
├── CursorNotFound       a page begins at a run that does not exist
├── IllegalTransition    the run's state forbids the action
├── RunHasDependants     other runs build on the weights of the run to delete
├── SourceRunDeleted     the run whose weights a new run builds on was deleted meanwhile
├── OwnershipLost        the writer no longer owns the run; it must stop and change nothing
├── IdempotencyMismatch  the same key came with another body
├── FolderNotShared      a process does not see the folder that holds the runs' files
└── StorageFull          the artifact store has no space
"""

from typing import Literal

from bakehouse.runs.run import Request, Status

# A message names this many runs and counts the rest.
MAX_NAMED = 5


class RunsError(Exception):
    """Any of the errors above; its text is a sentence for the user."""


class RunNotFound(RunsError):
    """No such run."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id!r}.")
        self.run_id = run_id


class RecordUnreadable(RunsError):
    """Another version of Bakehouse wrote the run's record, and this version cannot read it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} was written by another version of Bakehouse, which this one cannot read.")
        self.run_id = run_id


class CursorNotFound(RunsError):
    """A page begins at a run that does not exist."""

    def __init__(self, cursor: str, parameter: Literal["after", "before"]) -> None:
        super().__init__(f"There is no run {cursor!r} at which a page could begin.")
        self.cursor, self.parameter = cursor, parameter


class IllegalTransition(RunsError):
    """The run's state forbids the action."""

    def __init__(self, run_id: str, *, status: Status, request: Request | None, asked: str) -> None:
        pending = f" and was asked to {request}" if request else ""
        super().__init__(f"The run {run_id} is {status}{pending}; it cannot be {asked}.")
        self.run_id, self.status, self.request, self.asked = run_id, status, request, asked


class RunHasDependants(RunsError):
    """Other runs build on the weights of the run to delete."""

    def __init__(self, run_id: str, dependants: tuple[str, ...]) -> None:
        names = ", ".join(dependants[:MAX_NAMED])
        if len(dependants) > MAX_NAMED:
            names += f" and {len(dependants) - MAX_NAMED} more"
        super().__init__(f"The run {run_id} cannot be deleted before the runs that build on its weights: {names}.")
        self.run_id, self.dependants = run_id, dependants


class SourceRunDeleted(RunsError):
    """The run whose weights a new run builds on was deleted meanwhile."""

    def __init__(self, source: str) -> None:
        super().__init__(f"The run {source}, whose weights this run builds on, was deleted meanwhile.")
        self.source = source


class OwnershipLost(RunsError):
    """The writer no longer owns the run; it must stop and change nothing."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} has another owner or none.")
        self.run_id = run_id


class IdempotencyMismatch(RunsError):
    """The same key was sent with another body."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key!r} was used with another body.")
        self.key = key


class FolderNotShared(RunsError):
    """A process does not see the folder that holds the runs' files."""


class StorageFull(RunsError):
    """The artifact store has no space."""

    def __init__(self, *, needed: int, free: int) -> None:
        super().__init__(f"The artifact store has {free} bytes free; {needed} are needed.")
        self.needed, self.free = needed, free
