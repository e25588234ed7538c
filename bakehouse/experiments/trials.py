"""Joins the points of a search with what their runs have reached."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from bakehouse.experiments.answer import BetterTrial, SearchAnswer
from bakehouse.experiments.document import Search
from bakehouse.experiments.experiment import ExperimentRecord, SearchTrial
from bakehouse.experiments.measured import MeasuredRun
from bakehouse.experiments.search import (
    SearchQuestion,
    SearchUnavailable,
    Trial,
    best_so_far,
    importances,
    search_seed,
)
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.status import TERMINAL, Reason, Request, Status

CONFIRMED = " confirmed"
BASELINE = "recipe"
"""The arm in which the recipe of a search is trained with the seeds that confirm the best trials, to compare these with
it."""


@dataclass(frozen=True)
class TrialRun:
    """A run of a trial."""

    id: str
    status: Status
    reason: Reason
    request: Request | None = None
    value: float | None = None
    """The metric that is compared, at the best epoch so far."""
    values: Mapping[int, float] = field(default_factory=dict)
    """The same metric at the ends of epochs."""


def arm_of(number: int) -> str:
    """Returns the name of a trial's arm."""
    return f"trial {number}"


def confirmation_of(number: int) -> str:
    """Returns the name of the arm in which a trial is trained again with new seeds."""
    return f"trial {number}{CONFIRMED}"


def question_of(record: ExperimentRecord, design: Search) -> SearchQuestion:
    """Returns what a search looks for."""
    recipe = read_recipe(record.document.recipe)
    return SearchQuestion(design, recipe, is_higher_better(record.metric), search_seed(record.document, recipe))


def observe(record: ExperimentRecord, runs: Mapping[str, Sequence[TrialRun]]) -> list[Trial]:
    """Returns the trials of a search with what they have reached. `runs` are those of each arm."""
    return [observe_trial(trial, runs.get(arm_of(trial.number), ())) for trial in record.trials]


def observe_trial(trial: SearchTrial, runs: Sequence[TrialRun]) -> Trial:
    if trial.problem is not None:
        return Trial(trial.number, trial.parameters, "failed")
    statuses = {run.status for run in runs}
    # Runs come into being together with their trial, so one without runs was deleted by hand.
    if not runs or (statuses <= TERMINAL and statuses != {"succeeded"}):
        return Trial(trial.number, trial.parameters, "failed")
    is_over = statuses <= TERMINAL
    found = [run.value for run in runs if run.value is not None]
    return Trial(
        trial.number,
        trial.parameters,
        "succeeded" if is_over else "running",
        value=fmean(found) if is_over and len(found) == len(runs) else None,
        values=common_epochs(runs),
        was_pruned=any(run.reason == "pruned" for run in runs),
        runs=tuple(run.id for run in runs if run.status == "running" and run.request is None),
    )


def answer_search(record: ExperimentRecord, measured: Sequence[MeasuredRun]) -> SearchAnswer | None:
    """Returns the best so far of a search, and what matters; None of another design."""
    design = record.document.design
    if not isinstance(design, Search):
        return None
    runs: dict[str, list[TrialRun]] = {}
    for run in measured:
        runs.setdefault(run.arm, []).append(TrialRun(run.run, run.status, run.reason, value=run.value))
    question = question_of(record, design)
    observed = observe(record, runs)
    trials = [replace(each, was_pruned=each.was_pruned or each.number in record.pruned) for each in observed]
    better = tuple(BetterTrial(trial=number, value=value) for number, value in best_so_far(question, trials))
    return SearchAnswer(best_so_far=better, importances=known_importances(question, trials))


def known_importances(question: SearchQuestion, trials: Sequence[Trial]) -> dict[str, float] | None:
    try:
        return importances(question, trials) or None
    except SearchUnavailable:
        return None


def common_epochs(runs: Sequence[TrialRun]) -> dict[int, float]:
    """Returns the mean over the runs at each epoch that all of them have reached."""
    first, *others = [run.values for run in runs]
    epochs = [epoch for epoch in first if all(epoch in values for values in others)]
    return {epoch: mean_at(epoch, [first, *others]) for epoch in epochs}


def mean_at(epoch: int, curves: Sequence[Mapping[int, float]]) -> float:
    values = [curve[epoch] for curve in curves]
    return fmean(values) if all(map(math.isfinite, values)) else math.nan
