"""Defines an experiment as clients see it, and its record in Redis."""

from typing import Literal

from bakehouse.experiments.answer import ExperimentStatus
from bakehouse.experiments.document import ExperimentDocument, Search
from bakehouse.experiments.ensemble import Ensemble
from bakehouse.model import JsonObject, Model
from bakehouse.recipe.problems import Problem
from bakehouse.runs.status import Request, Status


class ExperimentArm(Model):
    """One of the recipes that an experiment compares; each arm is trained once for every seed and fold."""

    name: str
    differs: JsonObject
    """The fields that differ from the baseline, by JSON Pointer, with the values of this arm's canonical recipe."""
    recipe_group_sha256: str
    """Digest of the recipe without its seed, as in its runs."""
    parameters: int
    """Number of learned parameters."""
    levels: tuple[bool, ...] = ()
    """In a factorial, whether each factor is on."""
    builds_on: tuple[str, ...] = ()
    """The arms on whose best checkpoints, with the same seed and fold, the runs of this one build."""


class ExperimentRun(Model):
    """A run of an experiment."""

    run: str
    arm: str
    seed: int
    fold: int | None
    status: Status
    reused: bool
    """Whether the run was finished before, and is used instead of a new one."""


class MissingRun(Model):
    """A run that is created when those have succeeded that it builds on."""

    arm: str
    seed: int
    fold: int | None
    state: Literal["waiting", "ready", "given_up"]
    """`ready` means that it is created in a moment, and `given_up` that it is not created."""
    sources: dict[str, str]
    """The runs that it builds on, by their arms; those that do not exist yet are left out."""
    run: str | None = None
    """The run because of which it waits or is given up, if that exists."""
    message: str
    """Why the run does not exist, as human-readable text."""


class RefusedRun(Model):
    """A run that could not be created after those had succeeded that it builds on."""

    arm: str
    seed: int
    fold: int | None
    sources: dict[str, str]
    """The runs that it would have built on, by their arms."""
    message: str


class SearchTrial(Model):
    """A point of the space of a search. Its runs are those of the arm `trial N`, with its number."""

    number: int
    """The number of the trial, from 0."""
    parameters: dict[str, int | float]
    """The number at each place of the space; of a choice the index of its value."""
    problem: Problem | None = None
    """Why the values cannot be trained together, if so; such a trial has no runs."""


class Brief(Model):
    """An experiment as a row of a list: its question in short, and how many of its runs have which status."""

    id: str
    name: str | None
    status: ExperimentStatus
    request: Request | None
    """What a user has asked for all runs, until something else is asked for."""
    design: str
    metric: str
    """The metric of the best epoch that is compared."""
    dataset: str
    architecture: str
    arms: int
    """Number of arms."""
    seeds: int
    """Number of seeds."""
    folds: int | None
    runs: int
    """Number of runs that the answer needs, reused ones included."""
    reused: int
    """Number of runs that were finished before."""
    counts: dict[Status, int]
    """Number of new runs by status; a status without runs is left out. Of a run that was retried, the new one."""
    reason: str | None = None
    """Why no more runs are created at the moment, as human-readable text; null if nothing is in the way."""
    priority: int
    max_running: int | None
    created_at: str
    updated_at: str


class Experiment(Model):
    """A question about recipes, and the runs that answer it."""

    id: str
    name: str | None
    status: ExperimentStatus
    request: Request | None
    """What a user has asked for all runs, until something else is asked for."""
    document: ExperimentDocument
    """The document as it was posted, with what was added since. POST it to ask the question again."""
    seeds: tuple[int, ...]
    metric: str
    """The metric of the best epoch that is compared."""
    baseline: str | None
    """The arm that the others are compared with; in a search null until the best trials are confirmed, which are
    compared with its recipe."""
    factors: tuple[str, ...]
    """In a factorial, the names of its factors."""
    dataset: str
    architecture: str
    arms: tuple[ExperimentArm, ...]
    runs: tuple[ExperimentRun, ...]
    """The runs by arm, seed and fold. Of a run that was retried, the new one."""
    missing: tuple[MissingRun, ...] = ()
    """The runs that do not exist yet because they build on others."""
    counts: dict[Status, int]
    """Number of new runs by status; a status without runs is left out."""
    trials: tuple[SearchTrial, ...]
    """The points of a search that were tried so far; empty for another design."""
    reason: str | None = None
    """Why no more runs are created at the moment, as human-readable text; null if nothing is in the way."""
    priority: int
    max_running: int | None
    created_at: str
    updated_at: str


class ExperimentPage(Model):
    """A page of the list of experiments, newest first."""

    data: tuple[Brief, ...]
    has_more: bool
    """Whether there are older experiments."""
    last_id: str | None = None
    """The id to pass as `after` for older experiments."""


class PlacedRun(Model):
    """A run in its place in an experiment."""

    run: str
    arm: str
    seed: int
    fold: int | None


class ExperimentRecord(Model):
    """An experiment in Redis. Its runs are in indexes, so that this changes only if the experiment itself does."""

    id: str
    name: str | None
    document: ExperimentDocument
    seeds: tuple[int, ...]
    metric: str
    baseline: str | None
    factors: tuple[str, ...]
    dataset: str
    architecture: str
    arms: tuple[ExperimentArm, ...]
    reused: tuple[PlacedRun, ...]
    """The runs that were finished before."""
    trials: tuple[SearchTrial, ...] = ()
    """The points of a search that were tried so far."""
    confirmed: tuple[int, ...] = ()
    """The numbers of the trials of a search that are trained again with new seeds."""
    pruned: tuple[int, ...] = ()
    """The numbers of the trials that the pruner has ruled out. The runs of some may have been over before."""
    refused: tuple[RefusedRun, ...] = ()
    """The runs that could not be created although those had succeeded that they build on."""
    ensembles: tuple[Ensemble, ...] = ()
    is_complete: bool = True
    """Whether no more runs are created; a search adds runs until it is done, and arms that build on others do when
    these have succeeded."""
    request: Request | None = None
    priority: int = 0
    max_running: int | None = None
    created_at: str = ""
    updated_at: str = ""
    idempotency: str | None = None
    """The digest of the idempotency key that created this experiment."""
    token: str = ""
    """Random text that identifies the latest write."""

    @property
    def creates_trials(self) -> bool:
        """Whether supervisors create more trials, unless somebody asks for something else."""
        return not self.is_complete and self.request is None and isinstance(self.document.design, Search)

    @property
    def has_dependents(self) -> bool:
        """Whether some arms build on the runs of others."""
        return any(arm.builds_on for arm in self.arms)

    @property
    def creates_dependents(self) -> bool:
        """Whether supervisors create more runs that build on others, unless somebody asks for something else."""
        return not self.is_complete and self.request is None and self.has_dependents

    @property
    def run_count(self) -> int:
        """Number of runs that the answer needs so far."""
        confirm = self.document.design.confirm if isinstance(self.document.design, Search) else None
        if confirm is None:
            return len(self.arms) * len(self.seeds) * (self.document.folds or 1)
        again = len(self.confirmed) + (self.baseline is not None)
        trials = len(self.arms) - again
        return (trials * len(self.seeds) + again * confirm.seeds) * (self.document.folds or 1)


def status_of(record: ExperimentRecord, counts: dict[Status, int]) -> ExperimentStatus:
    """Returns the status that follows from the runs."""
    waiting, running, paused = (counts.get(status, 0) for status in ("queued", "running", "paused"))
    over = sum(counts.get(status, 0) for status in ("succeeded", "failed", "cancelled"))
    if record.request == "cancel" and not waiting + running + paused:
        return "cancelled"
    if not waiting + running + paused and (record.is_complete or record.request == "stop"):
        return "finished"
    if running == 0 and (record.request == "pause" or (paused and not waiting)):
        return "paused"
    return "running" if running or over or record.reused else "queued"


def brief_of(record: ExperimentRecord, counts: dict[Status, int], reason: str | None) -> Brief:
    """Returns the row of a list."""
    document = record.document
    return Brief(
        id=record.id,
        name=record.name,
        status=status_of(record, counts),
        request=record.request,
        design=document.design.type,
        metric=record.metric,
        dataset=record.dataset,
        architecture=record.architecture,
        arms=len(record.arms),
        seeds=len(record.seeds),
        folds=document.folds,
        runs=record.run_count,
        reused=len(record.reused),
        counts=counts,
        reason=reason,
        priority=record.priority,
        max_running=record.max_running,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def shown(
    record: ExperimentRecord,
    status: ExperimentStatus,
    counts: dict[Status, int],
    runs: tuple[ExperimentRun, ...],
    missing: tuple[MissingRun, ...],
    reason: str | None,
) -> Experiment:
    """Returns the experiment as clients see it."""
    same = {name: getattr(record, name) for name in Experiment.model_fields if name in ExperimentRecord.model_fields}
    return Experiment(**same, status=status, runs=runs, missing=missing, counts=counts, reason=reason)
