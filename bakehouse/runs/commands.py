"""The commands that change a run's record. Every command that an owner sends carries the owner's nonce."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bakehouse.runs.record import Owner
from bakehouse.runs.run import Best, Checkpoint, Failure, Progress, Provenance, Verification, Verified
from bakehouse.runs.status import Actor, Request
from bakehouse.verdict.verdict import Verdict

Numbers = Mapping[str, float | None]
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Claim:
    """A training process takes a queued run."""

    owner: Owner
    lease_ms: int


@dataclass(frozen=True, slots=True)
class Renew:
    """The owner is alive and renews its lease.

    `seconds`, here and in the commands that end an attempt, is how long the attempt has lasted by the owner's own
    monotonic clock: Redis's clock may be set forward or back at any time.
    """

    nonce: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StepEntry:
    """Metrics at an optimizer step; `step` is counted over the whole run."""

    step: int
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class EpochEntry:
    """Results at the end of an epoch (from 1): `metrics` become those of the run's last epoch, `details` are only
    logged."""

    epoch: int
    step: int
    metrics: Numbers
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A human-readable message."""

    code: str
    message: str
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiagnosticEntry:
    """The result of a diagnostic. Among entries with the same `name`, `step` always increases."""

    name: str
    epoch: int
    step: int
    values: Json


Entry = StepEntry | EpochEntry | DiagnosticEntry | LogEntry


@dataclass(frozen=True, slots=True)
class LogEvents:
    """Appends entries to the log in order. Steps, epochs and diagnostics that were logged before are dropped."""

    nonce: str
    entries: tuple[Entry, ...]
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class PublishCheckpoint:
    """Lists a checkpoint whose file has been synced to disk. If `best` is given, this checkpoint becomes the best."""

    nonce: str
    checkpoint: Checkpoint
    best: Best | None = None


@dataclass(frozen=True, slots=True)
class PublishResume:
    """Lists a resume state that has been synced to disk. Its position is the step, the number of epochs that are
    complete, and the number of units of work since then, which only measured."""

    nonce: str
    step: int
    epoch: int = 0
    units: int = 0


@dataclass(frozen=True, slots=True)
class MarkNonReproducible:
    """The run continues with another device, version or thread count, so its results may not be bit-identical."""

    nonce: str


@dataclass(frozen=True, slots=True)
class MarkRestarted:
    """The run starts again at step 0: none of its resume states can be read."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Release:
    """The owner was asked to exit and returns the run to the queue; the attempt does not count as lost."""

    nonce: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class OwnerLost:
    """The owner died. A process that saw it die passes its nonce; a process that saw no renewal for the length of a
    lease passes the end of that lease, and nothing happens if the owner has renewed it meanwhile."""

    actor: Literal["worker", "supervisor"] = "supervisor"
    nonce: str | None = None
    lease_until: int | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """The owner obeys a pause; it has published a resume state before."""

    nonce: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Succeed:
    """The owner has finished; `metrics` are those of the best weights on the test split."""

    nonce: str
    reason: Literal["early_stopped", "epochs_done", "time_budget", "pruned", "stopped_by_user"]
    provenance: Provenance
    metrics: Numbers = field(default_factory=dict)
    verification: Verification | None = None
    """The verdict, if the run verifies another one."""
    verdicts: tuple[Verdict, ...] = ()
    """What is to be said of the run, the gravest first."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Fail:
    """The owner cannot continue."""

    nonce: str
    failure: Failure
    provenance: Provenance | None = None
    verdicts: tuple[Verdict, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cancel:
    """The owner obeys a cancel, or a supervisor has killed the owner because it did not obey."""

    nonce: str
    actor: Literal["worker", "supervisor"] = "worker"
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Several commands of an owner, carried out in order, all or none, in one write."""

    nonce: str
    commands: "tuple[SingleCommand, ...]"


@dataclass(frozen=True, slots=True)
class RequestAction:
    """A user asks for a pause, a stop or a cancel, or a search for the early end of a run that others are ahead of.
    With `cancels_new`, a stop cancels a run that has not begun, which has nothing to keep."""

    request: Request
    cancels_new: bool = False


@dataclass(frozen=True, slots=True)
class Resume:
    """A user continues a paused run, or withdraws a pause that the worker has not carried out yet."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A user renames a run (unless `keep_name`), adds labels, and removes the labels whose value is None."""

    name: str | None
    labels: Mapping[str, str | None]
    keep_name: bool = False


@dataclass(frozen=True, slots=True)
class ChangePriority:
    """A user gives a run that waits, or is paused, another priority; with `even_if_running` also one that runs, for
    the case that it has to wait again."""

    priority: int
    even_if_running: bool = False


@dataclass(frozen=True, slots=True)
class NoteVerified:
    """Another run verifies this one, or has done so."""

    verified: Verified
    actor: Actor


@dataclass(frozen=True, slots=True)
class PurgeReplaced:
    """Removes checkpoints that were replaced long enough ago from the record; afterwards their files may be deleted."""


@dataclass(frozen=True, slots=True)
class NoteCleanedUp:
    """The resume states of a run that is over are deleted."""


# An owner may repeat these commands after its attempt is over, because the first reply may have been lost.
Ending = Release | Pause | Succeed | Fail | Cancel
SingleCommand = Renew | LogEvents | PublishCheckpoint | PublishResume | MarkNonReproducible | MarkRestarted | Ending
OwnerCommand = SingleCommand | Batch
Command = (
    Claim
    | OwnerCommand
    | OwnerLost
    | RequestAction
    | Resume
    | Rename
    | ChangePriority
    | NoteVerified
    | PurgeReplaced
    | NoteCleanedUp
)


def actor_of(command: Command) -> Actor:
    match command:
        # Several programs can send these commands, so they name their actor.
        case OwnerLost(actor=actor) | Cancel(actor=actor) | NoteVerified(actor=actor):
            return actor
        case RequestAction(request="prune"):
            return "supervisor"
        case RequestAction() | Resume() | Rename() | ChangePriority():
            return "service"
        case PurgeReplaced() | NoteCleanedUp():
            return "supervisor"
        case _:
            return "worker"
