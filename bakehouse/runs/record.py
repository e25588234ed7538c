"""Defines the record: a run with the fields that only workers and supervisors need."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from bakehouse.advice.advice import Advice
from bakehouse.model import JsonObject, Model
from bakehouse.plurals import range_text
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.recipe.recipe import Recipe, SeededDigest
from bakehouse.runs.curve import Curve
from bakehouse.runs.errors import IllegalTransition
from bakehouse.runs.pace import Pace
from bakehouse.runs.run import Checkpoint, EventType, Expected, Progress, QueuePlace, Run, Verification
from bakehouse.runs.status import Reason

# Leaves out 0, 1, i, l and o, which look alike, and u, so that ids do not spell words.
ID_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
ID_LENGTH = 12
# Digest of the JSON Schema of a run. What Redis holds in this format is what clients see; a record in another format is
# migrated first. After a change of the schema, tests/runs/test_record.py prints the new value.
FORMAT = "cf481518"


class Owner(Model):
    """The training process that owns a run."""

    nonce: str
    """Random text that identifies the owner; each of its commands contains it."""
    host: str
    boot_id: str
    pid: int
    start_time: int
    """Clock ticks from boot to the process's start. Together with `boot_id` and `pid` it identifies one process."""


class Record(Run):
    """A run with its owner, its lease, the position of its log, and its files. Times are in ms by Redis's clock."""

    token: str = ""
    """Random text that identifies the latest write."""
    format: str = ""
    """The value of FORMAT with which every field was written; empty in a record of version 0.1.0."""
    seq: int = 0
    """Number of the latest event."""
    owner: Owner | None = None
    released_by: str | None = None
    """Nonce of the owner that ended its attempt. That owner may repeat the command, in case the reply was lost."""
    lease_ms: int = 0
    lease_until: int | None = None
    seconds_before: float = 0.0
    """The value of `seconds` when the latest attempt began."""
    requested_ms: int | None = None
    """Time at which the pending request was made; None without a request."""
    logged_step: int = 0
    logged_epoch: int = 0
    curve: Curve | None = None
    """The monitored metric, for lists of runs; None before the first epoch, and in records of earlier versions."""
    resume_step: int = -1
    """Step of the newest resume state; -1 if there is none."""
    resume_epoch: int = 0
    resume_units: int = 0
    """With `resume_step` and `resume_epoch` the position of the newest resume state: see `PublishResume`."""
    lost_resume_step: int = -1
    """Latest step whose resume state could not be read: only a resume state of a later step counts as progress."""
    attempts_without_progress: int = 0
    """Number of attempts that were lost since the newest resume state."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """Checkpoints ordered by epoch. A checkpoint without roles was replaced and is kept for downloads in progress."""
    replaced_ms: dict[int, int] = {}
    """Time at which a checkpoint lost its last role, by epoch."""
    archived: bool = False
    """Whether the log is in a file and the record is packed."""
    is_cleaned_up: bool = False
    """Whether the files that only a resume needs are deleted, after the run was over."""
    idempotency: str | None = None
    """The digest of the idempotency key that created this run."""

    def public(self, queue: QueuePlace | None = None) -> Run:
        """Returns the fields that clients see."""
        shown = {name: getattr(self, name) for name in Run.model_fields}
        # `model_construct` skips the validation, because the fields come from a valid record.
        return Run.model_construct(**{**shown, "queue": queue})

    @property
    def finished_ms(self) -> int | None:
        """Time at which the run ended, in milliseconds."""
        if self.finished_at is None:
            return None
        return round(datetime.fromisoformat(self.finished_at).timestamp() * 1000)

    def digests(self) -> frozenset[str]:
        """Returns the digests of the checkpoints whose files must not be deleted."""
        return frozenset(item.sha256 for item in self.checkpoints)

    def lacks(self, earlier: "Record") -> bool:
        """Whether this record misses something that an earlier one has, because Redis lost the end of its data."""
        positions = ("seq", "attempt", "logged_step", "logged_epoch")
        return any(getattr(self, name) < getattr(earlier, name) for name in positions)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has no number yet."""

    type: EventType
    attempt: int
    data: JsonObject


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's key for a POST, with the digest of the body that it sent."""

    key: str
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Created:
    """A new run, or the run that the same key created before."""

    run: Run
    replayed: bool


@dataclass(frozen=True, slots=True)
class CreatedExperiment:
    """A new experiment, or the experiment that the same key created before."""

    id: str
    replayed: bool


# A command formats the same moment several times.
@lru_cache(maxsize=16)
def rfc3339(milliseconds: int) -> str:
    """Formats a time as UTC with milliseconds: `2026-01-31T12:00:00.000Z`."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def finite(numbers: Mapping[str, object]) -> JsonObject:
    """Replaces NaN and the infinities, which JSON does not have, by null."""
    return {name: without_non_finite(value) for name, value in numbers.items()}


def without_non_finite(value: object) -> Any:
    if isinstance(value, list | tuple):
        return [without_non_finite(item) for item in value]
    return None if is_non_finite(value) else value


def is_non_finite(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(is_non_finite, value))
    return isinstance(value, float) and not math.isfinite(value)


def event_data(fields: Mapping[str, object]) -> JsonObject:
    """Returns a flat JSON object: numbers that are not finite become null, and `non_finite` lists their names."""
    non_finite = [name for name, value in fields.items() if is_non_finite(value)]
    return {**finite(fields), "non_finite": non_finite} if non_finite else dict(fields)


@dataclass(frozen=True, slots=True)
class Held:
    """An experiment of which no run can be claimed at the moment, because of a request or of its limit."""

    id: str
    request: str
    """`pause`, `stop` or `cancel`; empty if none is pending."""
    running: int
    limit: int | None

    @property
    def reason(self) -> str:
        """The reason as text."""
        if not self.request:
            return f"experiment {self.id} has {self.running} of {self.limit} runs in training"
        if self.request == "pause":
            return f"experiment {self.id} is paused"
        return f"experiment {self.id} was asked to {self.request}"


def queue_place(ahead: int, workers: int, held: Held | None = None, pace: Pace | None = None) -> QueuePlace:
    """Describes a queued run's position, given the number of runs that are claimed before it, and how fast they are."""
    if held and held.request:
        return QueuePlace(position=ahead + 1, reason=held.reason)
    if workers == 0:
        return QueuePlace(position=ahead + 1, reason="no worker is running")
    if held:
        return QueuePlace(position=ahead + 1, reason=held.reason)
    others = "next" if ahead == 0 else f"{ahead} ahead"
    reason = f"waits for a free worker, {others}"
    if pace is None:
        return QueuePlace(position=ahead + 1, reason=reason)
    seconds = pace.starts_in(ahead)
    reason += f"; starts in {range_text(seconds, seconds)}"
    return QueuePlace(position=ahead + 1, reason=reason, starts_in_seconds=round(seconds, 1))


def new_run_id() -> str:
    """Returns `run_` followed by 12 random characters (59 bits)."""
    return "run_" + random_characters()


def random_characters() -> str:
    number = secrets.randbelow(len(ID_ALPHABET) ** ID_LENGTH)
    letters = []
    for _ in range(ID_LENGTH):
        number, index = divmod(number, len(ID_ALPHABET))
        letters.append(ID_ALPHABET[index])
    return "".join(letters)


def verification_of(record: Record) -> Verification:
    """Returns a verification of the run that has no verdict yet. Raises IllegalTransition unless the run succeeded."""
    if record.status != "succeeded" or record.provenance is None:
        raise IllegalTransition(record.id, status=record.status, request=record.request, asked="verified")
    expected = Expected(
        reason=record.reason,
        step=record.progress.step,
        weights={role: item.sha256 for item in record.checkpoints for role in item.roles},
        metrics=all_metrics(record),
        device=record.provenance.device,
        threads=record.provenance.threads,
        versions=record.provenance.versions,
    )
    return Verification(run=record.id, expected=expected)


def all_metrics(run: Run) -> dict[str, float | None]:
    """Returns the metrics of the last epoch, and those of the best weights on the test split."""
    return {**(run.best.metrics if run.best else {}), **(run.last.metrics if run.last else {})}


def new_run(
    recipe: Recipe,
    *,
    advice: tuple[Advice, ...],
    steps: int,
    dataset_fingerprint: str | None = None,
    patience: int | None = None,
    parent_run: str | None = None,
    reason: Reason = "submitted",
    verification: Verification | None = None,
    digest: SeededDigest | None = None,
) -> Run:
    """Returns a new run that is not stored yet; the store fills in its times. `digest` is that of the recipe, if it was
    computed before."""
    digest = digest or SeededDigest(recipe)
    return Run(
        id=new_run_id(),
        name=recipe.name,
        labels=recipe.labels,
        status="queued",
        reason=reason,
        recipe=recipe,
        recipe_sha256=digest.sha256(recipe.seed),
        recipe_group_sha256=digest.group,
        dataset_fingerprint=dataset_fingerprint,
        advice=advice,
        parent_run=parent_run,
        verification=verification,
        # Several fields of a recipe may name checkpoints of the same run, which is listed once.
        depends_on=tuple(dict.fromkeys(item.run for item in checkpoints_in(recipe).values())),
        transitions=(),
        progress=Progress(epochs=recipe.epochs, steps=steps, patience=patience),
        created_at="",
        updated_at="",
    )
