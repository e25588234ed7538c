"""The run as everybody sees it: what `GET /v1/runs/{id}` answers and what its log holds."""

from typing import Any, Literal

from bakehouse.advice.advice import Advice
from bakehouse.model import Model
from bakehouse.recipe.recipe import Recipe

Status = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
TERMINAL: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})

Request = Literal["pause", "stop", "cancel"]
"""From weak to strong: a stronger one replaces a weaker."""

Actor = Literal["service", "worker", "supervisor"]

Reason = Literal[
    "submitted", "retried", "forked", "claimed", "preempted", "worker_lost", "paused_by_user", "resumed",
    "early_stopped", "epochs_done", "time_budget", "stopped_by_user", "cancelled_by_user",
    "out_of_memory", "non_finite", "dataset", "checkpoint", "storage_full", "crash_loop", "internal",
]  # fmt: skip

EventType = Literal["state", "step", "epoch", "checkpoint", "diagnostic", "advice", "log", "end"]


class Event(Model):
    """One entry of a run's log. `data` is flat JSON (in a `diagnostic` also lists, one value a layer); non-finite
    numbers are null there and named in `non_finite`."""

    seq: int
    """Position in the run's log, from 1, without gaps."""
    time: str
    """RFC 3339, UTC, by Redis's clock."""
    attempt: int
    type: EventType
    data: dict[str, Any]


class Transition(Model):
    """One change of status."""

    time: str
    status: Status
    actor: Actor
    reason: Reason


class QueuePlace(Model):
    """Where a queued run stands, and why it waits."""

    position: int
    """From 1."""
    reason: str


class Progress(Model):
    """How far a run is; counts over all attempts."""

    epoch: int = 0
    epochs: int
    step: int = 0
    steps: int
    samples_per_second: float | None = None
    eta_seconds: float | None = None
    """Until `epochs` is reached; early stopping may end the run sooner."""
    epochs_since_best: int | None = None
    patience: int | None = None


class Best(Model):
    """The epoch that early stopping would keep."""

    epoch: int
    monitor: str
    value: float


class Diagnostic(Model):
    """What a diagnostic found last."""

    epoch: int
    step: int
    values: dict[str, Any]
    """Numbers and texts, or lists of them."""


class Failure(Model):
    """Why a run failed."""

    code: Reason
    message: str
    pointer: str | None = None
    """JSON Pointer into the recipe, where one field is to blame."""
    retryable: bool


class Checkpoint(Model):
    """Model weights at the end of an epoch; immutable, named by their digest."""

    epoch: int
    roles: tuple[Literal["best", "last"], ...]
    metrics: dict[str, float | None]
    sha256: str
    bytes: int
    dataset_fingerprint: str | None = None
    """Of the data that they were trained on."""


class Receipt(Model):
    """What a finished run can be checked by."""

    recipe_sha256: str
    dataset_fingerprint: str
    weights_sha256: str | None
    """Of the best checkpoint."""
    versions: dict[str, str]
    """bakehouse, torch, numpy, python; cuda and cudnn on a GPU."""
    device: str
    threads: int
    seed: int
    exact: bool
    """Whether an uninterrupted run would have given the same bits."""
    peak_memory_bytes: int
    device_seconds: float


class Run(Model):
    """One execution of one recipe with one seed, from submission to a terminal state."""

    id: str
    name: str | None
    labels: dict[str, str]
    status: Status
    request: Request | None = None
    """What was asked of a run that has not happened yet."""
    reason: Reason
    """Of the latest transition."""
    recipe: Recipe
    """Canonical: every default spelt out."""
    recipe_sha256: str
    recipe_group_sha256: str
    """The same for all seeds of one recipe."""
    advice: tuple[Advice, ...]
    origin: str | None = None
    """The run that this one retries, or was forked from."""
    depends_on: tuple[str, ...] = ()
    """The runs whose weights its recipe names; they cannot be deleted before it."""
    transitions: tuple[Transition, ...]
    attempt: int = 0
    queue: QueuePlace | None = None
    progress: Progress
    best: Best | None = None
    metrics: dict[str, float | None] = {}
    """The latest epoch's; after the end also the test split's, of the best weights."""
    diagnostics: dict[str, Diagnostic] = {}
    """By name; the history is in the log."""
    failure: Failure | None = None
    receipt: Receipt | None = None
    exact: bool = True
    restarted: bool = False
    """Whether an attempt began again at step 0 because no resume state could be read; the log's entry `restarted` says
    which step was lost. Such a run does every step again, so `exact` stays as it is."""
    created_at: str
    updated_at: str
    started_at: str | None = None
    finished_at: str | None = None
    seconds: float = 0.0
    """Spent running, over all attempts."""

    @property
    def is_over(self) -> bool:
        """Terminal states absorb: nothing changes any more."""
        return self.status in TERMINAL


class Page(Model):
    """Some runs, newest first."""

    data: tuple[Run, ...]
    has_more: bool
    """Whether there are more in the direction that was asked for."""
    first_id: str | None = None
    last_id: str | None = None


class Worker(Model):
    """A process that trains, as it last said of itself."""

    name: str
    host: str
    pid: int
    device: str
    memory_bytes: int
    """Of the device."""
    status: Literal["starting", "idle", "busy"]
    run_id: str | None = None
    """What it trains while it is busy."""
    versions: dict[str, str] = {}
    started_at: str
    seen_at: str
