"""The record: a run with the fields that only workers and supervisors need."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bakehouse.advice.advice import Advice
from bakehouse.model import Model
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Checkpoint, EventType, Progress, QueuePlace, Reason, Run

# Without 0, 1, i, l, o and u: no character looks like another one, and no id spells a word.
ID_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
ID_LENGTH = 12


class Owner(Model):
    """The training process that owns a run."""

    nonce: str
    """Random; every command of the owner carries it."""
    host: str
    boot_id: str
    pid: int
    start_time: int
    """Clock ticks from boot to the process's start; with `boot_id` and `pid` they identify one process for ever."""


class Record(Run):
    """A run with its owner, its lease, how far it is logged, and its files. Times are milliseconds by Redis's clock."""

    token: str = ""
    """Random, of the latest write."""
    seq: int = 0
    """Number of the latest event."""
    owner: Owner | None = None
    released_by: str | None = None
    """Nonce of the owner that ended its attempt: it may send that command again, if the reply was lost."""
    lease_ms: int = 0
    lease_until: int | None = None
    claimed_ms: int | None = None
    """When the present attempt began."""
    requested_ms: int | None = None
    """When the present request was made."""
    logged_step: int = 0
    logged_epoch: int = 0
    resume_step: int = -1
    """Step of the newest resume state; -1 without one."""
    lost_resume_step: int = -1
    """Step of the furthest resume state that could not be read: only a resume state beyond it is progress."""
    attempts_without_progress: int = 0
    """Attempts that were lost since the newest resume state."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """In order of epochs. A checkpoint without roles was replaced and is kept for downloads that have begun."""
    replaced_ms: dict[int, int] = {}
    """When a checkpoint lost its last role, by epoch."""
    idempotency: str | None = None
    """The digest of the idempotency key that created this run."""

    def public(self, now: int, queue: QueuePlace | None = None) -> Run:
        """Returns the fields that clients see, with the seconds of the present attempt so far."""
        shown = {name: getattr(self, name) for name in Run.model_fields}
        return Run.model_construct(**{**shown, "queue": queue, "seconds": self.seconds_until(now)})

    def digests(self) -> frozenset[str]:
        """Returns the digests of the checkpoints whose files must stay."""
        return frozenset(item.sha256 for item in self.checkpoints)

    def seconds_until(self, now: int) -> float:
        """Returns the seconds spent running, over all attempts."""
        return self.seconds + (0.0 if self.claimed_ms is None else max(0, now - self.claimed_ms) / 1000)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has no number yet."""

    type: EventType
    attempt: int
    data: dict[str, Any]


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


def rfc3339(milliseconds: int) -> str:
    """Formats a time as UTC with milliseconds: `2026-01-31T12:00:00.000Z`."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def finite(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces NaN and the infinities, which JSON does not have, by null."""
    return {name: without_non_finite(value) for name, value in numbers.items()}


def without_non_finite(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [without_non_finite(item) for item in value]
    return None if is_non_finite(value) else value


def is_non_finite(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(is_non_finite, value))
    return isinstance(value, float) and not math.isfinite(value)


def event_data(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns flat JSON: numbers that are not finite become null and are named in `non_finite`."""
    non_finite = [name for name, value in fields.items() if is_non_finite(value)]
    return {**finite(fields), "non_finite": non_finite} if non_finite else dict(fields)


def queue_place(rank: int, workers: int) -> QueuePlace:
    """Describes a queued run's position, given the number of runs ahead of it."""
    if workers == 0:
        return QueuePlace(position=rank + 1, reason="no worker is running")
    ahead = "next" if rank == 0 else f"{rank} ahead"
    return QueuePlace(position=rank + 1, reason=f"waits for a free worker, {ahead}")


def new_run_id() -> str:
    """Returns `run_` and 12 random characters: 59 bits."""
    return "run_" + "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def new_run(
    recipe: Recipe,
    *,
    advice: tuple[Advice, ...],
    steps: int,
    dataset_fingerprint: str | None = None,
    patience: int | None = None,
    parent_run: str | None = None,
    reason: Reason = "submitted",
) -> Run:
    """Makes a run that is not stored yet; the store fills in the times."""
    return Run(
        id=new_run_id(),
        name=recipe.name,
        labels=recipe.labels,
        status="queued",
        reason=reason,
        recipe=recipe,
        recipe_sha256=recipe.sha256(),
        recipe_group_sha256=recipe.group_sha256(),
        dataset_fingerprint=dataset_fingerprint,
        advice=advice,
        parent_run=parent_run,
        depends_on=tuple(dict.fromkeys(item.run for item in checkpoints_in(recipe).values())),
        transitions=(),
        progress=Progress(epochs=recipe.epochs, steps=steps, patience=patience),
        created_at="",
        updated_at="",
    )
