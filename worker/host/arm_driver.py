"""Creates the runs of arms that build on the runs of others, as soon as these have succeeded.

Any supervisor may do this at any time. Runs are written only if the experiment has not changed since it was read, so
that two supervisors, or one that is killed, create each exactly once.
"""

from collections.abc import Callable
from contextlib import suppress

from bakehouse.data.errors import DatasetNotReady
from bakehouse.experiments.document import Search
from bakehouse.experiments.errors import ExperimentNotFound
from bakehouse.experiments.experiment import ExperimentRecord, MissingRun, RefusedRun
from bakehouse.experiments.filling import NewRuns, fill
from bakehouse.experiments.missing import missing_runs
from bakehouse.experiments.planning import Place, PlannedArm
from bakehouse.experiments.question import Question, read_experiment, with_fold
from bakehouse.experiments.stand_ins import stand_in, with_runs
from bakehouse.experiments.store import ExperimentStore
from bakehouse.model import JsonObject
from bakehouse.prepare import Prepared, new_template
from bakehouse.recipe.problems import RecipeInvalid

# Each is planned anew, which takes milliseconds in which a supervisor does nothing else.
RUNS_PER_TICK = 50


class ArmDriver:
    """Carries on the experiments of one home in which arms build on others."""

    def __init__(self, prepare: Callable[[JsonObject], Prepared], experiments: ExperimentStore) -> None:
        self._prepare = prepare
        self._experiments = experiments

    def carry_on(self, experiment_id: str) -> None:
        """Creates the runs that can be created now."""
        # Deleted meanwhile; or the data set is packed again, and the next tick finds it ready.
        with suppress(ExperimentNotFound, DatasetNotReady):
            self._experiments.change(experiment_id, self.advance)

    def advance(self, before: ExperimentRecord) -> tuple[ExperimentRecord, NewRuns]:
        """Returns the record of an experiment with what comes next, and the runs that are new."""
        # What the last supervisor has seen may be over, or paused.
        if before.is_complete or before.request is not None or isinstance(before.document.design, Search):
            return before, []
        missing = missing_runs(before, self._experiments.runs(before))
        ready = [each for each in missing if each.state == "ready"][:RUNS_PER_TICK]
        question = read_experiment(before.document.model_dump(mode="json")) if ready else None
        places: list[Place] = []
        refused: list[RefusedRun] = []
        for each in ready:
            assert question is not None
            try:
                places.append(self.place(question, each))
            except RecipeInvalid as error:
                refused.append(refusal(each, error))
        is_complete = not ready and all(each.state == "given_up" for each in missing)
        update = {"refused": (*before.refused, *refused), "is_complete": is_complete}
        return fill(self._experiments, before.model_copy(update=update), places)

    def place(self, question: Question, missing: MissingRun) -> Place:
        """Plans a run that builds on others. Raises RecipeInvalid."""
        arm = next(arm for arm in question.arms.arms if arm.name == missing.arm)
        runs = {stand_in(name): run for name, run in missing.sources.items()}
        recipe = with_fold(with_runs(arm.recipe, runs), question.document.folds, missing.fold)
        template = new_template(self._prepare(recipe))
        return Place(PlannedArm(arm.name, {missing.fold: template}, arm.levels), missing.seed, missing.fold)


def refusal(missing: MissingRun, error: RecipeInvalid) -> RefusedRun:
    """Notes that a run cannot be created, although those have succeeded that it builds on."""
    return RefusedRun(
        arm=missing.arm,
        seed=missing.seed,
        fold=missing.fold,
        sources=missing.sources,
        message=f"cannot build on {' and '.join(missing.sources.values())}: {error}",
    )
