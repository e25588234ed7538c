"""What can go wrong with the record of runs. Nothing here knows of HTTP.

RunsError
├── RunNotFound          no such run
├── RecordUnreadable     another version wrote the run
├── CursorNotFound       a page was asked for beside a run that does not exist
├── IllegalTransition    the run's state forbids what was asked
├── RunHasDependants     other runs build on the weights of the run that should be deleted
├── SourceRunDeleted     a run was deleted while one was submitted that builds on its weights
├── OwnershipLost        the writer does not own the run any more; it must stop and change nothing
├── IdempotencyMismatch  the same key came with another body
├── FolderNotShared      a process does not see the folder that holds the runs' files
└── StorageFull          the artifact store has no room
"""

from typing import Literal

from bakehouse.runs.run import Request, Status

NAMED = 5
"""Runs in one sentence."""


class RunsError(Exception):
    """Any of the errors above; its text is a sentence for the user."""


class RunNotFound(RunsError):
    """No such run."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id!r}.")
        self.run_id = run_id


class RecordUnreadable(RunsError):
    """The run's record is not one that this version can read: another one wrote it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} was written by another version of Bakehouse, which this one cannot read.")
        self.run_id = run_id


class CursorNotFound(RunsError):
    """A page was asked for beside a run that does not exist."""

    def __init__(self, cursor: str, parameter: Literal["after", "before"]) -> None:
        super().__init__(f"There is no run {cursor!r} to count pages from.")
        self.cursor, self.parameter = cursor, parameter


class IllegalTransition(RunsError):
    """The run's state forbids what was asked."""

    def __init__(self, run_id: str, *, status: Status, request: Request | None, asked: str) -> None:
        pending = f" and was asked to {request}" if request else ""
        super().__init__(f"The run {run_id} is {status}{pending}; it cannot be {asked}.")
        self.run_id, self.status, self.request, self.asked = run_id, status, request, asked


class RunHasDependants(RunsError):
    """Other runs build on the weights of the run that should be deleted."""

    def __init__(self, run_id: str, dependants: tuple[str, ...]) -> None:
        names = ", ".join(dependants[:NAMED]) + (f" and {len(dependants) - NAMED} more" * (len(dependants) > NAMED))
        super().__init__(f"The run {run_id} cannot be deleted before the runs that build on its weights: {names}.")
        self.run_id, self.dependants = run_id, dependants


class SourceRunDeleted(RunsError):
    """A run was deleted while a new run was submitted that builds on its weights."""

    def __init__(self, source: str) -> None:
        super().__init__(f"The run {source}, on whose weights this one builds, was deleted meanwhile.")
        self.source = source


class OwnershipLost(RunsError):
    """The writer does not own the run any more; it must stop and change nothing."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} belongs to another process or to none.")
        self.run_id = run_id


class IdempotencyMismatch(RunsError):
    """The same key came with another body."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key!r} was used with another body.")
        self.key = key


class FolderNotShared(RunsError):
    """A process does not see the folder that holds the runs' files."""


class StorageFull(RunsError):
    """The artifact store has no room."""

    def __init__(self, *, needed: int, free: int) -> None:
        super().__init__(f"The artifact store has {free} bytes free and needs {needed}.")
        self.needed, self.free = needed, free
