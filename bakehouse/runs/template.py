"""Makes the runs of recipes that differ only in name, labels and seed, without planning or encoding them again."""

from dataclasses import dataclass
from functools import cached_property

from bakehouse.recipe.recipe import Recipe, SeededDigest
from bakehouse.runs.measurements import Work
from bakehouse.runs.record import new_run_id
from bakehouse.runs.run import Cell, Failure, Run, Verification
from bakehouse.runs.status import Reason
from bakehouse.runs.wire import Texts, to_json

# The fields of a recipe on which neither its plan nor the advice about it depends.
FREE_FIELDS = frozenset({"name", "labels", "seed"})
# The fields in which the runs of one template differ, and those that the submission sets.
VARIABLE_FIELDS = {
    "id", "name", "labels", "recipe", "recipe_sha256", "parent_run", "parent_failure", "status", "reason",
    "transitions", "created_at", "updated_at", "verification",
    "experiment", "priority",
}  # fmt: skip


@dataclass(frozen=True)
class RunTemplate:
    """A run that was planned, from which others are copied."""

    planned: Run
    parameters: int
    """Number of learned parameters."""
    work: Work
    """The amount of work of the training."""
    seeded_digest: SeededDigest
    """Computes the digest of the recipe with any seed."""

    def digest(self, seed: int) -> str:
        """Returns the digest of the recipe with a seed."""
        return self.seeded_digest.sha256(seed)

    def new_run(
        self,
        recipe: Recipe,
        *,
        parent_run: str | None,
        reason: Reason,
        verification: Verification | None,
        parent_failure: Failure | None = None,
        experiment: Cell | None = None,
        priority: int = 0,
    ) -> tuple[Run, Texts]:
        """Returns a run of a recipe that is not stored yet, and those of its fields whose JSON is known.

        The recipe differs from the planned one in the fields FREE_FIELDS and in defaults that depend on the data.
        """
        free = {"name": recipe.name, "labels": recipe.labels, "seed": recipe.seed}
        run = self.planned.model_copy(
            update={
                "id": new_run_id(),
                "name": recipe.name,
                "labels": recipe.labels,
                "recipe": self.planned.recipe.model_copy(update=free),
                "recipe_sha256": self.digest(recipe.seed),
                "parent_run": parent_run,
                "parent_failure": parent_failure,
                "reason": reason,
                "verification": verification,
                "experiment": experiment,
                "priority": priority,
            }
        )
        first = to_json({"version": recipe.version, **free})
        return run, {**self._shared, "recipe": f"{first[:-1]},{self._fixed[1:]}"}

    @cached_property
    def _fixed(self) -> str:
        return self.planned.recipe.model_dump_json(exclude={"version", *FREE_FIELDS})

    @cached_property
    def _shared(self) -> Texts:
        shared = self.planned.model_dump(mode="json", exclude=VARIABLE_FIELDS)
        return {name: to_json(value) for name, value in shared.items()}
