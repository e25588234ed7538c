"""What may be asked of a record. A command of an owner carries its nonce."""

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
    """The owner is alive."""

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
    """Something that a person may want to know."""

    code: str
    message: str
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiagnosticEntry:
    """What a diagnostic found. `step` grows from one entry of a name to the next."""

    name: str
    epoch: int
    step: int
    values: Json


Entry = StepEntry | EpochEntry | DiagnosticEntry | LogEntry


@dataclass(frozen=True, slots=True)
class LogEvents:
    """Entries in order. Steps, epochs and diagnostics that are logged already are dropped."""

    nonce: str
    entries: tuple[Entry, ...]
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class PublishCheckpoint:
    """A checkpoint whose file is safe on disk. With `best`, it becomes the best."""

    nonce: str
    checkpoint: Checkpoint
    best: Best | None = None


@dataclass(frozen=True, slots=True)
class PublishResume:
    """A resume state that is safe on disk."""

    nonce: str
    step: int


@dataclass(frozen=True, slots=True)
class MarkNonReproducible:
    """The run goes on where its bits may differ: another device, version or thread count."""

    nonce: str


@dataclass(frozen=True, slots=True)
class MarkRestarted:
    """The run begins again at step 0: none of its resume states can be read."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Release:
    """The owner gives the run back because it was told to end; not charged."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The owner died. With its nonce: somebody saw it die. Without: only if its lease is over."""

    actor: Literal["worker", "supervisor"] = "supervisor"
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """The owner obeys: its resume state is published."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Succeed:
    """The owner is done; `metrics` are added to the run's."""

    nonce: str
    reason: Literal["early_stopped", "epochs_done", "time_budget", "stopped_by_user"]
    provenance: Provenance
    metrics: Numbers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fail:
    """The owner cannot go on."""

    nonce: str
    failure: Failure
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """The owner obeys, or a supervisor has killed it because it did not."""

    nonce: str
    actor: Literal["worker", "supervisor"] = "worker"


@dataclass(frozen=True, slots=True)
class Ask:
    """A user wants something."""

    request: Request


@dataclass(frozen=True, slots=True)
class Resume:
    """A user wants a paused run to go on, or a pause not to happen."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A user gives a run another name (unless `keep_name`), adds labels, and takes those away whose value is None."""

    name: str | None
    labels: Mapping[str, str | None]
    keep_name: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """Checkpoints that were replaced long enough ago leave the record; then their files may go."""


Ending = Release | Pause | Succeed | Fail | Cancel
OwnerCommand = Renew | LogEvents | PublishCheckpoint | PublishResume | MarkNonReproducible | MarkRestarted | Ending
Command = Claim | OwnerCommand | Lost | Ask | Resume | Rename | Forget


def actor_of(command: Command) -> Actor:
    """Who writes."""
    match command:
        case Lost(actor=actor) | Cancel(actor=actor):
            return actor
        case Ask() | Resume() | Rename():
            return "service"
        case Forget():
            return "supervisor"
        case _:
            return "worker"
