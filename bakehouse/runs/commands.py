"""The commands that change a record. A command of an owner carries the owner's nonce."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bakehouse.runs.record import Owner
from bakehouse.runs.run import Actor, Best, Checkpoint, Failure, Progress, Provenance, Request

Numbers = Mapping[str, float | None]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A training process takes a queued run."""

    owner: Owner
    lease_ms: int


@dataclass(frozen=True, slots=True)
class Renew:
    """The owner is alive and renews its lease."""

    nonce: str


@dataclass(frozen=True, slots=True)
class StepEntry:
    """Numbers at an optimizer step, counted over the whole run."""

    step: int
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class EpochEntry:
    """Numbers at the end of an epoch (from 1): `metrics` become the run's, `details` are only logged."""

    epoch: int
    step: int
    metrics: Numbers
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A message for people."""

    code: str
    message: str
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiagnosticEntry:
    """The result of a diagnostic. `step` grows from one entry of a name to the next."""

    name: str
    epoch: int
    step: int
    values: Json


Entry = StepEntry | EpochEntry | DiagnosticEntry | LogEntry


@dataclass(frozen=True, slots=True)
class LogEvents:
    """Appends entries in order. Steps, epochs and diagnostics that are logged already are dropped."""

    nonce: str
    entries: tuple[Entry, ...]
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class PublishCheckpoint:
    """Lists a checkpoint whose file is safe on disk. With `best`, it becomes the best."""

    nonce: str
    checkpoint: Checkpoint
    best: Best | None = None


@dataclass(frozen=True, slots=True)
class PublishResume:
    """Lists a resume state that is safe on disk."""

    nonce: str
    step: int


@dataclass(frozen=True, slots=True)
class MarkNonReproducible:
    """The run continues where its bits may differ: on another device, version or thread count."""

    nonce: str


@dataclass(frozen=True, slots=True)
class MarkRestarted:
    """The run starts again at step 0: none of its resume states can be read."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Release:
    """The owner was asked to exit and returns the run to the queue; the attempt does not count as lost."""

    nonce: str


@dataclass(frozen=True, slots=True)
class OwnerLost:
    """The owner died. With its nonce: a process saw it die. Without: the run is released if its lease is over."""

    actor: Literal["worker", "supervisor"] = "supervisor"
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """The owner obeys a pause: its resume state is published."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Succeed:
    """The owner has finished; `metrics` are added to the run's."""

    nonce: str
    reason: Literal["early_stopped", "epochs_done", "time_budget", "stopped_by_user"]
    provenance: Provenance
    metrics: Numbers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fail:
    """The owner cannot continue."""

    nonce: str
    failure: Failure
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """The owner obeys a cancel, or a supervisor has killed it because it did not."""

    nonce: str
    actor: Literal["worker", "supervisor"] = "worker"


@dataclass(frozen=True, slots=True)
class RequestAction:
    """A user asks for a pause, a stop or a cancel."""

    request: Request


@dataclass(frozen=True, slots=True)
class Resume:
    """A user continues a paused run, or withdraws a pause that has not happened."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A user renames a run (unless `keep_name`), adds labels, and removes the labels whose value is None."""

    name: str | None
    labels: Mapping[str, str | None]
    keep_name: bool = False


@dataclass(frozen=True, slots=True)
class PurgeReplaced:
    """Removes checkpoints that were replaced long enough ago from the record; afterwards their files may go."""


Ending = Release | Pause | Succeed | Fail | Cancel
OwnerCommand = Renew | LogEvents | PublishCheckpoint | PublishResume | MarkNonReproducible | MarkRestarted | Ending
Command = Claim | OwnerCommand | OwnerLost | RequestAction | Resume | Rename | PurgeReplaced


def actor_of(command: Command) -> Actor:
    match command:
        case OwnerLost(actor=actor) | Cancel(actor=actor):
            return actor
        case RequestAction() | Resume() | Rename():
            return "service"
        case PurgeReplaced():
            return "supervisor"
        case _:
            return "worker"
