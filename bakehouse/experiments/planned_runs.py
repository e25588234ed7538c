"""The runs that other arms of an experiment will build on, as far as their recipes say before they exist."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bakehouse.checkpoints import SourceRun, SourceRuns
from bakehouse.experiments.stand_ins import stand_in
from bakehouse.recipe.recipe import Recipe


@dataclass(frozen=True)
class PlannedCheckpoint:
    """The best checkpoint of a run that does not exist yet. Its epoch and digest stand in for the real ones."""

    sha256: str
    dataset_fingerprint: str | None
    epoch: int = 1
    roles: Sequence[str] = ("best",)


@dataclass(frozen=True)
class PlannedRun:
    """A run that does not exist yet."""

    recipe: Recipe
    checkpoints: Sequence[PlannedCheckpoint]
    status: str = "planned"
    is_over: bool = True


NOT_PLANNED: Mapping[str, PlannedRun] = {}


@dataclass(frozen=True)
class WithPlannedRuns:
    """The runs that a recipe can build on: those that there are, and those that are planned."""

    existing: SourceRuns
    planned: Mapping[str, PlannedRun]

    @property
    def location(self) -> str:
        """The phrase that says where these runs are."""
        return self.existing.location

    def find(self, run_id: str) -> SourceRun | None:
        """Returns the run with this id, or None if there is none."""
        return self.planned.get(run_id) or self.existing.find(run_id)


def planned_runs(arms: Iterable[tuple[str, Recipe, str | None]]) -> dict[str, PlannedRun]:
    """Returns the planned runs of arms by the ids that stand in for them; of each arm its name, its recipe and the
    fingerprint of its data."""
    found = {}
    for name, recipe, fingerprint in arms:
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        found[stand_in(name)] = PlannedRun(recipe, (PlannedCheckpoint(sha256, fingerprint),))
    return found
