"""Creates the runs of arms that build on the runs of others, as soon as these have succeeded.

Any supervisor may do this at any time. Runs are written only if the experiment has not changed since it was read, so
that two supervisors, or one that is killed, create each exactly once.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from bakehouse.data.errors import DatasetNotReady
from bakehouse.experiments.dependents import plan_dependent
from bakehouse.experiments.errors import ExperimentNotFound
from bakehouse.experiments.experiment import ExperimentRecord, MissingRun, RefusedRun
from bakehouse.experiments.filling import NewRuns, fill
from bakehouse.experiments.missing import missing_runs, refused
from bakehouse.experiments.planning import Place
from bakehouse.experiments.question import Question, read_experiment
from bakehouse.experiments.store import ExperimentStore
from bakehouse.prepare import new_template
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.errors import RecordUnreadable
from bakehouse.runs.status import TERMINAL, Status
from bakehouse.runs.store import Store
from bakehouse.settings import Settings
from worker.host.late_recipes import LateRecipes, RecipeMustWait

Look = tuple[str, Mapping[Status, int]]
"""The token of the record of an experiment, and how many of its runs have ended, by status."""


class ArmDriver:
    """Carries on the experiments of one home in which arms build on others."""

    def __init__(self, settings: Settings, store: Store, experiments: ExperimentStore) -> None:
        self._experiments = experiments
        self._recipes = LateRecipes(settings, store)
        # What experiments looked like when none of their runs could be created, by id.
        self._seen: dict[str, Look] = {}

    def carry_on(self, record: ExperimentRecord, *, limit: int) -> int:
        """Creates runs that can be created now, at most as many as the limit; returns the number of those that it has
        planned."""
        look = self.look(record)
        if not record.has_dependents or look == self._seen.get(record.id):
            return 0
        ready: list[MissingRun] = []

        def change(before: ExperimentRecord) -> tuple[ExperimentRecord, NewRuns]:
            nonlocal ready
            # What the last supervisor has seen may be over, or paused.
            if before.is_complete or before.request is not None:
                ready = []
                return before, []
            missing = missing_runs(before, self._experiments.runs(before))
            ready = [each for each in missing if each.state == "ready"][:limit]
            is_complete = all(each.state == "given_up" for each in missing)
            return self.advance(before.model_copy(update={"is_complete": is_complete}), ready)

        # Deleted meanwhile; or the data set is packed again, and the next tick finds it ready.
        with suppress(ExperimentNotFound, DatasetNotReady):
            after = self._experiments.change(record.id, change, known=record)
            if after.is_complete:
                self._seen.pop(record.id, None)
            elif not ready:
                self._seen[record.id] = look
        return len(ready)

    def look(self, record: ExperimentRecord) -> Look:
        """Returns what must change before more runs of an experiment can be created, without reading its runs."""
        [counts] = self._experiments.counts([record.id])
        return record.token, {status: count for status, count in counts.items() if status in TERMINAL}

    def advance(self, record: ExperimentRecord, ready: Sequence[MissingRun]) -> tuple[ExperimentRecord, NewRuns]:
        """Returns the record of an experiment with what comes next, and the runs that are new."""
        places: list[Place] = []
        refusals: list[RefusedRun] = []
        try:
            question = read_experiment(record.document.model_dump(mode="json")) if ready else None
        except RecipeInvalid as error:
            # An earlier version has accepted it.
            refusals, ready = [refusal(each, error) for each in ready], []
        for each in ready:
            assert question is not None
            try:
                places.append(self.place(question, each))
            except RecipeMustWait:
                continue
            except (RecipeInvalid, RecordUnreadable) as error:
                refusals.append(refusal(each, error))
        return fill(self._experiments, record.model_copy(update={"refused": (*record.refused, *refusals)}), places)

    def place(self, question: Question, missing: MissingRun) -> Place:
        """Plans a run that builds on others. Raises RecipeInvalid, RecordUnreadable, RecipeMustWait and
        DatasetNotReady."""
        key = (missing.arm, missing.seed, missing.fold)
        return plan_dependent(
            question, key, missing.sources, lambda recipe: new_template(self._recipes.prepare(recipe))
        )


def refusal(missing: MissingRun, error: Exception) -> RefusedRun:
    """Notes that a run cannot be created, although those have succeeded that it builds on."""
    return refused(missing, f"cannot build on {' and '.join(missing.sources.values())}: {error}")
