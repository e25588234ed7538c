"""Carries searches on: creates the trials that come next, and ends runs early that others are ahead of.

Any supervisor may do this at any time. A trial is written together with its runs, and only if the experiment has not
changed since it was read, so that two supervisors, or one that is killed, lose no trial and make none twice.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bakehouse.data.errors import DatasetNotReady
from bakehouse.experiments.document import Search
from bakehouse.experiments.errors import ExperimentNotFound
from bakehouse.experiments.experiment import ExperimentArm, ExperimentRecord, SearchTrial
from bakehouse.experiments.filling import NewRuns, fill
from bakehouse.experiments.measured import metrics_of
from bakehouse.experiments.planned_arms import PlannedArm
from bakehouse.experiments.planning import described, places
from bakehouse.experiments.question import folds_of, with_fold
from bakehouse.experiments.search import (
    Advance,
    SearchQuestion,
    Trial,
    TrialRecipe,
    advance,
    confirmation_seeds,
    early_ends,
)  # fmt: skip
from bakehouse.experiments.space import recipe_at
from bakehouse.experiments.store import ExperimentStore
from bakehouse.experiments.trials import BASELINE, TrialRun, arm_of, confirmation_of, observe, question_of
from bakehouse.model import JsonObject
from bakehouse.prepare import new_template
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.commands import RequestAction
from bakehouse.runs.errors import IllegalTransition, RunNotFound
from bakehouse.runs.logs import EVENTS_PER_READ, LogRange
from bakehouse.runs.store import Store
from bakehouse.settings import Settings
from worker.host.late_recipes import LateRecipes, RecipeMustWait

READ = ("status", "reason", "request", "best", "logged_epoch")


@dataclass
class EpochValues:
    """A metric of a run at the ends of its epochs, as far as the log was read."""

    seq: int
    values: dict[int, float]


class SearchDriver:
    """Carries on the searches of one home."""

    def __init__(self, settings: Settings, store: Store, experiments: ExperimentStore) -> None:
        self._store = store
        self._experiments = experiments
        self._recipes = LateRecipes(settings, store)
        self._epochs: dict[tuple[str, str], EpochValues] = {}

    def carry_on(self, record: ExperimentRecord) -> int:
        """Does what comes next in a search; returns the number of trials that it has planned. Raises
        SearchUnavailable."""
        found = Advance()

        def change(before: ExperimentRecord) -> tuple[ExperimentRecord, NewRuns]:
            nonlocal found
            design = before.document.design
            # What the last supervisor has seen may be over, or paused.
            if before.is_complete or before.request is not None or not isinstance(design, Search):
                found = Advance()
                return before, []
            question = question_of(before, design)
            trials = self.trials(before, question)
            found = advance(question, trials, slots=self.slots(before))
            try:
                after, runs = self.extend(before, question, found)
            except (RecipeMustWait, DatasetNotReady):
                # The same trials are next in a later tick, in which the data set may be there.
                found = Advance(prune=found.prune)
                return before, []
            if after is before:
                return before, runs
            return after.model_copy(update={"pruned": tuple(sorted(early_ends(question, trials)))}), runs

        # Deleted meanwhile.
        with suppress(ExperimentNotFound):
            self._experiments.change(record.id, change, known=record)
        if found.done:
            # Only this search, or others that read their epochs again, are concerned.
            self._epochs.clear()
        for run_id in found.prune:
            # The run may have ended meanwhile.
            with suppress(IllegalTransition, RunNotFound):
                self._store.command(run_id, RequestAction("prune"))
        return len(found.create)

    def slots(self, record: ExperimentRecord) -> int:
        """Returns how many trials may run at once: as many as there are workers for their runs, within the limit."""
        workers = len(self._store.workers())
        runs = min(workers, record.max_running or workers)
        per_trial = len(record.seeds) * len(folds_of(record.document))
        return max(1, math.ceil(runs / per_trial))

    def trials(self, record: ExperimentRecord, question: SearchQuestion) -> list[Trial]:
        """Returns the trials of a search with what they have reached."""
        needs_epochs = question.design.pruner != "none"
        runs: dict[str, list[TrialRun]] = {}
        for each, fields in self._experiments.placed_runs(record, READ):
            run = self.trial_run(each.run, fields, record.metric, needs_epochs=needs_epochs)
            runs.setdefault(each.arm, []).append(run)
        return observe(record, runs)

    def trial_run(self, run_id: str, fields: Mapping[str, str], metric: str, *, needs_epochs: bool) -> TrialRun:
        known = {name: json.loads(fields.get(name, "null")) for name in READ}
        best = known["best"]
        metrics = metrics_of(best) if best else {}
        return TrialRun(
            id=run_id,
            status=known["status"],
            reason=known["reason"],
            request=known["request"],
            value=metrics.get(metric),
            values=self.epoch_values(run_id, metric, known["logged_epoch"] or 0) if needs_epochs else {},
        )

    def epoch_values(self, run_id: str, metric: str, logged_epoch: int) -> dict[int, float]:
        """Returns a metric of a run at the ends of its epochs; of a log that was read before, reads only the rest."""
        known = self._epochs.setdefault((run_id, metric), EpochValues(0, {}))
        while max(known.values, default=0) < logged_epoch:
            [events] = self._store.logs.events([LogRange(run_id, after=known.seq, limit=EVENTS_PER_READ)])
            if not events:
                break
            known.seq = events[-1].seq
            for event in events:
                if event.type == "epoch":
                    data = event.parse().data
                    value = data.get(metric)
                    known.values[int(data["epoch"])] = math.nan if value is None else float(value)
        return known.values

    def extend(
        self, before: ExperimentRecord, question: SearchQuestion, found: Advance
    ) -> tuple[ExperimentRecord, NewRuns]:
        """Returns the record of a search with what comes next, and the runs that are new. Raises RecipeMustWait and
        DatasetNotReady."""
        if not found.create and not found.done:
            return before, []
        trials = [self.plan_trial(before, new) for new in found.create]
        arms = [arm for _, arm in trials if arm is not None]
        wanted = list(places(arms, before.seeds))
        winners = self.confirmations(before, question, found.confirm)
        again = [*self.baseline(before, question), *winners.values()] if winners else []
        if again and question.design.confirm is not None:
            wanted += places(again, confirmation_seeds(before.seeds, question.design.confirm.seeds))
        record = before.model_copy(
            update={
                "trials": (*before.trials, *(trial for trial, _ in trials)),
                "arms": (*before.arms, *self.described(before, question, [*arms, *again])),
                "confirmed": tuple(winners),
                "baseline": BASELINE if len(again) > len(winners) else before.baseline,
                "is_complete": found.done,
            }
        )
        return fill(self._experiments, record, wanted)

    def plan_trial(self, record: ExperimentRecord, new: TrialRecipe) -> tuple[SearchTrial, PlannedArm | None]:
        """Returns a trial with its arm, or with the reason why its values cannot be trained together."""
        problem = new.problem
        if new.recipe is not None:
            try:
                arm = self.plan_arm(record, arm_of(new.number), new.recipe)
                return SearchTrial(number=new.number, parameters=dict(new.parameters)), arm
            except RecipeInvalid as error:
                problem = error.problems[0]
        return SearchTrial(number=new.number, parameters=dict(new.parameters), problem=problem), None

    def confirmations(
        self, record: ExperimentRecord, question: SearchQuestion, numbers: Sequence[int]
    ) -> dict[int, PlannedArm]:
        """Returns the arms in which the best trials are trained again, by their numbers."""
        points = {trial.number: trial.parameters for trial in record.trials}
        arms = {}
        for number in numbers:
            recipe = recipe_at(question.recipe, question.design, points[number])
            # It was valid as a trial, so that only its data set can have been deleted; then it cannot be confirmed.
            with suppress(RecipeInvalid):
                arms[number] = self.plan_arm(record, confirmation_of(number), recipe)
        return arms

    def baseline(self, record: ExperimentRecord, question: SearchQuestion) -> list[PlannedArm]:
        """Returns the arm of the recipe itself, with which winners are compared; none if it cannot be trained."""
        with suppress(RecipeInvalid):
            return [self.plan_arm(record, BASELINE, question.recipe.canonical())]
        return []

    def plan_arm(self, record: ExperimentRecord, name: str, recipe: JsonObject) -> PlannedArm:
        folds = record.document.folds
        templates = {
            fold: new_template(self._recipes.prepare(with_fold(recipe, folds, fold)))
            for fold in folds_of(record.document)
        }
        return PlannedArm(name, templates)

    def described(
        self, record: ExperimentRecord, question: SearchQuestion, arms: Sequence[PlannedArm]
    ) -> tuple[ExperimentArm, ...]:
        """Returns the arms as clients see them, with what differs from the recipe of the document."""
        if not arms:
            return ()
        folds = record.document.folds
        recipe = with_fold(question.recipe.canonical(), folds, folds_of(record.document)[0])
        return described(arms, self._recipes.prepare(recipe).plan.recipe)
