"""What a recipe builds on: checkpoints of other runs, looked up, pinned to their digests, and planned."""

from collections.abc import Callable, Sequence
from typing import Protocol

from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import SavedCheckpoint, with_checkpoints
from bakehouse.recipe.problems import Path, Problem, RecipeInvalid, pointer
from bakehouse.recipe.recipe import Recipe


class SavedWeights(Protocol):
    """A checkpoint as a run's record lists it."""

    @property
    def epoch(self) -> int:
        """At the end of which it was saved."""

    @property
    def roles(self) -> Sequence[str]:
        """`best`, `last`; none once it was replaced, and then it will go."""

    @property
    def sha256(self) -> str:
        """Of the file."""

    @property
    def dataset_fingerprint(self) -> str | None:
        """Of the data behind it."""


class SavedRun(Protocol):
    """A run's record, as far as a recipe can build on it."""

    @property
    def recipe(self) -> Recipe:
        """Canonical."""

    @property
    def status(self) -> str:
        """For people."""

    @property
    def is_over(self) -> bool:
        """Nothing changes any more."""

    @property
    def checkpoints(self) -> Sequence[SavedWeights]:
        """What it has saved."""


class SavedRuns(Protocol):
    """The runs that recipes can build on."""

    @property
    def where(self) -> str:
        """Which runs these are, for people."""

    def find(self, run_id: str) -> SavedRun | None:
        """The run of that id."""


class NoRuns:
    """Where nothing was trained before."""

    where = "here"

    def find(self, _: str) -> SavedRun | None:
        """There is none."""
        return None


CardOf = Callable[[str], DatasetCard]


def find_sources(recipe: Recipe, saved: SavedRuns, card_of: CardOf) -> tuple[Recipe, dict[str, Plan]]:
    """The recipe with the epoch and digest of every checkpoint that it names, and the plans of what they were saved
    by, by digest. Raises RecipeInvalid with what cannot be built on, and DatasetNotReady."""
    plans: dict[str, Plan] = {}
    problems: list[Problem] = []

    def pin(named: SavedCheckpoint, path: Path) -> SavedCheckpoint:
        try:
            run = find_run(named, saved)
            weights = find_weights(named, run)
            plans[weights.sha256] = plan_source(named, run, weights, card_of)
        except SourceUnusable as error:
            problem = Problem(pointer=pointer((*path, error.field)), code=error.code, message=error.message)
            problems.append(problem.model_copy(update={"allowed": error.allowed or None}))
            return named
        return named.model_copy(update={"epoch": weights.epoch, "sha256": weights.sha256})

    pinned = with_checkpoints(recipe, pin)
    if problems:
        raise RecipeInvalid(problems)
    return pinned, plans


class SourceUnusable(Exception):
    """Why a checkpoint cannot be built on; `field` of how it is named says so."""

    def __init__(self, field: str, code: str, message: str, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.field, self.code, self.message, self.allowed = field, code, message, allowed


def find_run(named: SavedCheckpoint, saved: SavedRuns) -> SavedRun:
    """The run, if its checkpoints stay as they are."""
    run = saved.find(named.run)
    if run is None:
        raise SourceUnusable("run", "unknown_run", f"there is no run {named.run} {saved.where}")
    if not run.is_over:
        message = (
            f"{named.run} is {run.status}: until it is over its best may be replaced, and removed; wait for its end"
        )
        raise SourceUnusable("run", "run_not_over", message)
    return run


def find_weights(named: SavedCheckpoint, run: SavedRun) -> SavedWeights:
    """The best, or the one of that epoch or digest."""
    kept = [item for item in run.checkpoints if item.roles]
    epochs, digests = tuple(str(item.epoch) for item in kept), tuple(item.sha256 for item in kept)
    if named.epoch is None and named.sha256 is None:
        kept = [item for item in kept if "best" in item.roles]
        if not kept:
            raise SourceUnusable("run", "no_checkpoint", f"{named.run} is {run.status} and has saved no weights")
        return kept[0]
    if named.epoch is not None:
        kept = [item for item in kept if item.epoch == named.epoch]
        if not kept:
            message = f"{named.run} keeps no checkpoint of epoch {named.epoch}"
            raise SourceUnusable("epoch", "unknown_epoch", message, epochs)
        digests = (kept[0].sha256,)
    if named.sha256 not in (None, *digests):
        what = f"{named.run} keeps no checkpoint of that digest" + (f" at epoch {named.epoch}" if named.epoch else "")
        raise SourceUnusable("sha256", "unknown_digest", what, digests)
    return next(item for item in kept if named.sha256 in (None, item.sha256))


def plan_source(named: SavedCheckpoint, run: SavedRun, weights: SavedWeights, card_of: CardOf) -> Plan:
    """What was trained, on data that must still be those; what it was built on itself does not matter any more."""
    dataset = run.recipe.dataset.id
    try:
        card = card_of(dataset)
    except (DatasetNotFound, DatasetAbsent, DatasetBroken) as error:
        message = f"{named.run} was trained on {dataset}, and {error.message}"
        raise SourceUnusable("run", "source_dataset", message) from error
    if weights.dataset_fingerprint not in (None, card.fingerprint):
        message = f"{dataset} has changed since {named.run} was trained on it"
        raise SourceUnusable("run", "source_dataset", message)
    try:
        return make_plan(run.recipe, card)
    except RecipeInvalid as error:
        message = f"{named.run} cannot be planned any more: {error}"
        raise SourceUnusable("run", "source_recipe", message) from error
