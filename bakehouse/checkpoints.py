"""Finds the checkpoints of other runs that a recipe builds on, pins their epochs and digests, and plans their runs.

A recipe names a run, and optionally an epoch or a digest. The canonical recipe names all three.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import SavedCheckpoint, with_checkpoints
from bakehouse.recipe.problems import Path, Problem, RecipeInvalid, pointer
from bakehouse.recipe.recipe import Recipe


class SourceCheckpoint(Protocol):
    """A checkpoint in the record of a run."""

    @property
    def epoch(self) -> int:
        """The epoch at whose end the checkpoint was saved."""

    @property
    def roles(self) -> Sequence[str]:
        """`best`, `last` or both; empty once the checkpoint has been replaced, because its file will then be
        removed."""

    @property
    def sha256(self) -> str:
        """The SHA-256 digest of the checkpoint's file."""

    @property
    def dataset_fingerprint(self) -> str | None:
        """The fingerprint of the data that the weights were trained on."""


class SourceRun(Protocol):
    """The part of a run's record that a recipe needs to build on the run."""

    @property
    def recipe(self) -> Recipe:
        """The run's canonical recipe."""

    @property
    def status(self) -> str:
        """The run's status, which messages mention."""

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, so that its checkpoints stay as they are."""

    @property
    def checkpoints(self) -> Sequence[SourceCheckpoint]:
        """The checkpoints that the run has saved."""


class SourceRuns(Protocol):
    """The runs that recipes can build on: those of a service, or those in a folder of this machine."""

    @property
    def location(self) -> str:
        """The phrase that says where these runs are, such as "here" in "there is no run X here"."""

    def find(self, run_id: str) -> SourceRun | None:
        """Returns the run with this id, or None if there is none."""


class NoRuns:
    """A collection without runs, for callers whose recipes cannot build on other runs."""

    location = "here"

    def find(self, _: str) -> SourceRun | None:
        """Returns None, because there are no runs."""
        return None


class UnusableCheckpoint(Exception):
    """Raised if a recipe cannot build on a checkpoint; `field` is the field of the reference that the user must
    correct."""

    def __init__(self, field: str, code: str, message: str, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.message = message
        self.allowed = allowed


FindCard = Callable[[str], DatasetCard]


def pin_checkpoints(recipe: Recipe, runs: SourceRuns, find_card: FindCard) -> tuple[Recipe, dict[str, Plan]]:
    """Fills in the epoch and digest of every checkpoint that a recipe names, and plans the runs that saved them.

    Returns the recipe, and a dict from digest to plan. Raises RecipeInvalid, which lists all unusable checkpoints, or
    DatasetNotReady.
    """
    plans: dict[str, Plan] = {}
    problems: list[Problem] = []

    def pin(reference: SavedCheckpoint, path: Path) -> SavedCheckpoint:
        try:
            run = find_run(reference, runs)
            checkpoint = find_checkpoint(reference, run)
            plans[checkpoint.sha256] = plan_run(reference, run, checkpoint, find_card)
        except UnusableCheckpoint as error:
            location = pointer((*path, error.field))
            allowed = error.allowed or None
            problems.append(Problem(pointer=location, code=error.code, message=error.message, allowed=allowed))
            return reference
        return reference.model_copy(update={"epoch": checkpoint.epoch, "sha256": checkpoint.sha256})

    pinned = with_checkpoints(recipe, pin)
    if problems:
        raise RecipeInvalid(problems)
    return pinned, plans


def find_run(reference: SavedCheckpoint, runs: SourceRuns) -> SourceRun:
    """Finds the run; refuses a run that has not ended, because its checkpoints may still be replaced."""
    run = runs.find(reference.run)
    if run is None:
        raise UnusableCheckpoint("run", "unknown_run", f"there is no run {reference.run} {runs.location}")
    if not run.is_over:
        message = (
            f"{reference.run} is {run.status}, and its checkpoints may still be replaced; submit this recipe when that "
            "run has ended"
        )
        raise UnusableCheckpoint("run", "run_not_over", message)
    return run


def find_checkpoint(reference: SavedCheckpoint, run: SourceRun) -> SourceCheckpoint:
    """Finds the checkpoint with the epoch and digest of the reference, or the best one if the reference has neither."""
    usable = [checkpoint for checkpoint in run.checkpoints if checkpoint.roles]
    if reference.epoch is None and reference.sha256 is None:
        return find_best(reference, run, usable)
    if reference.epoch is not None:
        of_epoch = [checkpoint for checkpoint in usable if checkpoint.epoch == reference.epoch]
        if not of_epoch:
            message = f"{reference.run} has no checkpoint of epoch {reference.epoch}"
            raise UnusableCheckpoint("epoch", "unknown_epoch", message, tuple(str(item.epoch) for item in usable))
        usable = of_epoch
    for checkpoint in usable:
        if reference.sha256 in (None, checkpoint.sha256):
            return checkpoint
    epoch = f" at epoch {reference.epoch}" if reference.epoch else ""
    message = f"{reference.run} has no checkpoint with this digest{epoch}"
    raise UnusableCheckpoint("sha256", "unknown_digest", message, tuple(item.sha256 for item in usable))


def find_best(reference: SavedCheckpoint, run: SourceRun, usable: Sequence[SourceCheckpoint]) -> SourceCheckpoint:
    """Finds the run's best checkpoint."""
    for checkpoint in usable:
        if "best" in checkpoint.roles:
            return checkpoint
    message = f"{reference.run} is {run.status} and has saved no weights; name a run that has a best checkpoint"
    raise UnusableCheckpoint("run", "no_checkpoint", message)


def plan_run(reference: SavedCheckpoint, run: SourceRun, checkpoint: SourceCheckpoint, find_card: FindCard) -> Plan:
    """Plans the run that saved a checkpoint; refuses a run whose data set is missing or has changed.

    If this run itself built on checkpoints, they are not needed: its own weights are complete.
    """
    dataset = run.recipe.dataset.id
    try:
        card = find_card(dataset)
    except (DatasetNotFound, DatasetAbsent, DatasetBroken) as error:
        message = f"{reference.run} was trained on {dataset}, which is not usable now: {error.message}"
        raise UnusableCheckpoint("run", "source_dataset", message) from error
    if checkpoint.dataset_fingerprint not in (None, card.fingerprint):
        message = f"{dataset} has changed since {reference.run} was trained on it; train that run's recipe again"
        raise UnusableCheckpoint("run", "source_dataset", message)
    try:
        return make_plan(run.recipe, card)
    except RecipeInvalid as error:
        message = f"the recipe of {reference.run} is no longer valid: {error}"
        raise UnusableCheckpoint("run", "source_recipe", message) from error
