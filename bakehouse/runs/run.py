"""Defines a run as clients see it: the response of `GET /v1/runs/{id}`, and the events of the run's log."""

from typing import Annotated, Literal

from pydantic import Field

from bakehouse.advice.advice import Advice
from bakehouse.model import JsonObject, Model
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.status import TERMINAL, Actor, Reason, Request, Status
from bakehouse.verdict.verdict import Verdict

EventType = Literal["state", "step", "epoch", "checkpoint", "diagnostic", "advice", "log", "end"]


Priority = Annotated[int, Field(ge=-1000, le=1000)]
"""Waiting runs of higher priority are claimed first."""


class Event(Model):
    """One entry of a run's event log, with its number, time and attempt."""

    seq: int
    """Position in the run's log, from 1, without gaps."""
    time: str
    """RFC 3339, UTC, by Redis's clock."""
    attempt: int
    """Number of the attempt that wrote the entry, from 1; 0 before the first attempt."""
    type: EventType
    """`state`: the status or the pending request changed; `step`, `epoch`: metrics at a step or at the end of an epoch;
    `checkpoint`: weights were saved; `diagnostic`: the values of a diagnostic; `advice`: a finding about the recipe;
    `log`: a human-readable message; `end`: the run is over with this verdict, and this is its last event."""
    data: JsonObject
    """A flat JSON object, apart from patches and from the lists of a `diagnostic`, which have one value per layer.
    Numbers that are not finite are null, and `non_finite` lists their names."""


class Transition(Model):
    """One change of a run's status, with its time, reason and who made it."""

    time: str
    status: Status
    """The new status."""
    actor: Actor
    """The program that changed it."""
    reason: Reason


class QueuePlace(Model):
    """The position of a queued run, and the reason why it waits."""

    position: int
    """Position in the queue, from 1."""
    reason: str
    """The reason why the run waits, as human-readable text."""
    starts_in_seconds: float | None = None
    """About the time until the run starts, if each run ahead lasts as long as those in training; null if they have no
    estimated time yet, and if the run waits for something else."""


class Progress(Model):
    """How far a run has come, counted over all attempts."""

    epoch: int = 0
    """Number of completed epochs."""
    epochs: int
    """Maximum number of epochs."""
    step: int = 0
    """Number of completed optimizer steps."""
    steps: int
    """Maximum number of optimizer steps."""
    samples_per_second: float | None = None
    eta_seconds: float | None = None
    """Estimated time until `epochs` is reached; early stopping may end the run sooner."""
    epochs_since_best: int | None = None
    patience: int | None = None
    """The run stops when `epochs_since_best` reaches this number."""


class Best(Model):
    """The best epoch so far by the monitored metric; its weights are the checkpoint `best`."""

    epoch: int
    monitor: str
    """Name of the monitored metric."""
    value: float
    """The monitored metric at this epoch."""
    metrics: dict[str, float | None] = {}
    """The metrics of this epoch. Once the run has succeeded, also those of its weights on the test split, as far as
    they were measured before the run was stopped."""


class Last(Model):
    """The latest complete epoch. Once the run is over, its weights are the checkpoint `last`."""

    epoch: int
    metrics: dict[str, float | None]
    """The metrics of this epoch."""


class Diagnostic(Model):
    """The latest values of a diagnostic."""

    epoch: int
    step: int
    values: JsonObject
    """Values by name: numbers, texts, or lists with one value per layer."""


class Failure(Model):
    """The reason why a run failed."""

    code: Reason
    """A name that programs can compare; `docs/words.md` lists all of them."""
    message: str
    """A human-readable sentence."""
    pointer: str | None = None
    """JSON Pointer into the recipe, if one field caused the failure."""
    retryable: bool
    """Whether a retry of the unchanged recipe may succeed. False for an error of Bakehouse that has come back when the
    run was retried."""
    exception: str | None = None
    """With `internal`: the class of the exception and the first line of its text."""
    frame: str | None = None
    """With `internal`: the last place in the code of Bakehouse on the way to the error."""


class Checkpoint(Model):
    """Model weights at the end of an epoch. They never change."""

    epoch: int
    roles: tuple[Literal["best", "last"], ...]
    """`best`, `last` or both; empty if other checkpoints have replaced this one."""
    metrics: dict[str, float | None]
    """The metrics of the epoch."""
    sha256: str
    """Digest of `model.safetensors`."""
    bytes: int
    """Size of `model.safetensors`."""
    dataset_fingerprint: str | None = None
    """Fingerprint of the data set that the weights were trained on."""


class Provenance(Model):
    """What produced the weights of a finished run: digests, versions, device and seed. Another run with the same
    recipe, data, versions, device, threads and seed gives bit-identical weights."""

    recipe_sha256: str
    """Digest of the canonical recipe without its name and labels."""
    dataset_fingerprint: str
    """Fingerprint of the data set, as in its card."""
    weights_sha256: str | None
    """Digest of the best checkpoint's `model.safetensors`."""
    versions: dict[str, str]
    """Versions of bakehouse, torch, numpy and python, and of cuda and cudnn on a GPU."""
    device: str
    threads: int
    """Number of threads that torch used; with another number, results may be rounded differently."""
    seed: int
    exact: bool
    """Whether the weights are guaranteed to be bit-identical to those of an uninterrupted run."""
    peak_memory_bytes: int
    """Peak memory of the last attempt, in bytes."""
    device_seconds: float
    """Time spent on the device over all attempts, in seconds."""


class Expected(Model):
    """The results of a finished run, which its verification has to repeat bit for bit."""

    reason: Reason
    """The reason why the run ended."""
    step: int
    """Number of optimizer steps that the run took."""
    weights: dict[Literal["best", "last"], str]
    """The digests of the best and the last weights."""
    metrics: dict[str, float | None]
    """The metrics of the run."""
    device: str
    threads: int
    versions: dict[str, str]


class Verification(Model):
    """The comparison of a run with an earlier one whose recipe it trains again, killed and resumed half-way."""

    run: str
    """The earlier run."""
    expected: Expected
    verdict: Literal["identical", "different"] | None = None
    """`identical` if weights, metrics and number of steps are the same to the bit. Null until the run has succeeded."""
    tensor: str | None = None
    """The first tensor that differs, if one does."""
    message: str | None = None
    """The first difference, and what has changed in the environment, as human-readable text."""


class Verified(Model):
    """The latest verification of a run, by another run that repeats it."""

    run: str
    """The run that repeats this one."""
    verdict: Literal["identical", "different"] | None = None
    """`identical` if all results are the same to the bit. Null until the other run has succeeded."""
    tensor: str | None = None
    """The first tensor that differs, if one does."""
    message: str | None = None
    """The first difference as human-readable text."""


class Cell(Model):
    """The place of a run in an experiment."""

    id: str
    """The experiment."""
    arm: str
    """The name of the arm, which is one of the recipes that are compared."""
    seed: int
    fold: int | None = None
    """The number of the fold whose rows validate, from 0; null without cross-validation."""


class Run(Model):
    """One execution of one recipe with one seed, from submission to a terminal state."""

    id: str
    name: str | None
    labels: dict[str, str]
    status: Status
    request: Request | None = None
    """The pending user request, if any: what the user has asked for and the worker has not yet done."""
    reason: Reason
    """The reason of the latest change of the status."""
    recipe: Recipe
    """The canonical recipe: every default is filled in."""
    recipe_sha256: str
    """Digest of the canonical recipe without its name and labels."""
    recipe_group_sha256: str
    """The same digest without the seed: equal for all runs that repeat one recipe with other seeds."""
    dataset_fingerprint: str | None = None
    """Fingerprint of the data set at submission; the run trains on no other data. Null in runs of older versions."""
    advice: tuple[Advice, ...]
    """Findings about the recipe when it was submitted."""
    experiment: Cell | None = None
    """The place of the run in the experiment that made it; null if it was posted alone."""
    priority: int = 0
    """Among queued runs, those of higher priority are claimed first."""
    parent_run: str | None = None
    """The run that this one retries or verifies, or that it was forked from."""
    parent_failure: Failure | None = None
    """The failure of the run that this one retries; null if it retries none, or one that has not failed."""
    depends_on: tuple[str, ...] = ()
    """The runs whose checkpoints the recipe names; they cannot be deleted before this run."""
    transitions: tuple[Transition, ...]
    """All changes of the status, oldest first."""
    attempt: int = 0
    """Number of times that a worker has started or resumed the run."""
    queue: QueuePlace | None = None
    """Null unless the run is queued."""
    progress: Progress
    best: Best | None = None
    last: Last | None = None
    # Pydantic copies a mutable default for each object, so the runs do not share this dict.
    diagnostics: dict[str, Diagnostic] = {}
    """The latest values of each diagnostic, by name; earlier values are in the log."""
    failure: Failure | None = None
    """Null unless the run failed."""
    verdict: Verdict | None = None
    """The gravest finding about how the run went, and what to try. Null until the run is over."""
    further_verdicts: tuple[Verdict, ...] = ()
    """The other findings, the gravest first."""
    provenance: Provenance | None = None
    """What produced the weights. Null until the run is over."""
    verification: Verification | None = None
    """The comparison with an earlier run; null unless the run was made by a verification."""
    verified: Verified | None = None
    """The latest verification of this run; null if it was never verified."""
    exact: bool = True
    """Whether the results are guaranteed to be bit-identical to those of an uninterrupted run. False once an attempt
    resumed on another device, with other versions or with another number of threads."""
    restarted: bool = False
    """Whether an attempt started over at step 0 because no resume state could be read; the log's entry `restarted`
    names the step that was lost. Such a run repeats every step, so `exact` does not change."""
    created_at: str
    updated_at: str
    started_at: str | None = None
    """Time at which the first attempt began."""
    finished_at: str | None = None
    """Time at which the run ended."""
    seconds: float = 0.0
    """Seconds in status `running`, over all attempts. The worker counts them, and reports them once a second."""

    @property
    def is_over(self) -> bool:
        """Whether the run has succeeded, failed or been cancelled, which never changes again."""
        return self.status in TERMINAL

    @property
    def trained_on(self) -> str | None:
        """The fingerprint of the data set that the run trains on; None if an earlier version did not note it."""
        return self.provenance.dataset_fingerprint if self.provenance else self.dataset_fingerprint


class Page(Model):
    """A page of the list of runs, newest first."""

    data: tuple[Run, ...]
    has_more: bool
    """Whether there are more runs in the requested direction."""
    first_id: str | None = None
    """The id to pass as `before` for newer runs."""
    last_id: str | None = None
    """The id to pass as `after` for older runs."""


class Worker(Model):
    """A process that trains runs, as it last reported itself."""

    name: str
    host: str
    pid: int
    device: str
    memory_bytes: int
    """Memory of the device, in bytes."""
    threads: int = 1
    """Number of threads that torch uses; with another number, results may be rounded differently."""
    status: Literal["starting", "idle", "busy"]
    run_id: str | None = None
    """The run that the worker trains while it is `busy`."""
    versions: dict[str, str] = {}
    """Versions of bakehouse, torch, numpy and python, and of cuda and cudnn on a GPU."""
    started_at: str
    seen_at: str
    """Time of the worker's last report."""


class TaskProcess(Model):
    """A process that carries out short tasks, such as previews of recipes, and trains nothing, as it last reported
    itself."""

    name: str
    host: str
    pid: int
    status: Literal["idle", "busy"]
    started_at: str
    seen_at: str
    """Time of the process's last report."""
