"""Says how a search goes on: which trials to create, which to end early, and which of the best to confirm.

All of it follows from the document and from what the trials have reached, so that a search that is killed goes on as
one that was not.
"""

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Literal

from bakehouse.experiments.document import ExperimentDocument, Search
from bakehouse.experiments.space import Parameters, recipe_at
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe

REDUCTION = 3
"""At each rung the best of so many trials go on (Li et al. 2020, A System for Massively Parallel Hyperparameter
Tuning, and Optuna's SuccessiveHalvingPruner)."""
FIRST_RUNG_SHARE = 9
# With fewer, the best tenth is a single trial, and the importances are noise.
LEAST_TRIALS_FOR_IMPORTANCE = 10

TrialStatus = Literal["running", "succeeded", "failed"]


class SearchUnavailable(Exception):
    """Raised if Optuna is not installed."""

    def __init__(self) -> None:
        super().__init__("a search needs Optuna: install it with `pip install 'bakehouse[search]'`")


@dataclass(frozen=True)
class SearchQuestion:
    """A search as its driver needs it: the space, the recipe that trials change, and the direction of the metric."""

    design: Search
    recipe: Recipe
    is_higher_better: bool
    seed: int
    """The seed of the sampler."""


@dataclass(frozen=True)
class Trial:
    """A point of the space, with what its runs have reached."""

    number: int
    parameters: Parameters
    status: TrialStatus = "running"
    """A trial runs until all of its runs are over, and has failed if one of them has."""
    value: float | None = None
    """The metric that is compared, as the mean over the runs; None until all have succeeded."""
    values: Mapping[int, float] = field(default_factory=dict)
    """The same metric at the end of epochs that all runs have reached."""
    was_pruned: bool = False
    """Whether a run was ended early because others were better."""
    runs: tuple[str, ...] = ()
    """The ids of the runs that are not over."""


@dataclass(frozen=True)
class TrialRecipe:
    """A trial that begins: its recipe, without a seed, or why its values cannot be trained together."""

    number: int
    parameters: Parameters
    recipe: JsonObject | None
    problem: Problem | None = None


@dataclass(frozen=True)
class Advance:
    """The next step of a search: trials to create, runs to end early, winners to confirm, or the end."""

    create: tuple[TrialRecipe, ...] = ()
    prune: tuple[str, ...] = ()
    """The ids of runs to end early."""
    confirm: tuple[int, ...] = ()
    """The numbers of the trials to train again with new seeds, the best first."""
    done: bool = False
    """Whether the search creates no more trials, apart from those of `confirm`."""


def search_seed(document: ExperimentDocument, recipe: Recipe) -> int:
    """Returns the seed of the sampler: the same question tries the same points."""
    asked = document.model_dump(mode="json", include={"seeds", "folds", "design", "metric"})
    return seed_from(recipe.group_sha256() + json.dumps(asked, sort_keys=True))


def load(name: Literal["sampling", "importance"]) -> ModuleType:
    """Imports what needs Optuna, which takes a second and is not installed everywhere. Raises SearchUnavailable."""
    try:
        return import_module(f"bakehouse.experiments.{name}")
    except ModuleNotFoundError as error:
        raise SearchUnavailable from error


def is_available() -> bool:
    """Returns whether Optuna is installed, without importing it."""
    return find_spec("optuna") is not None


def trial_seed(seed: int, number: int) -> int:
    return seed_from(f"{seed}/{number}")


def seed_from(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def advance(question: SearchQuestion, trials: Sequence[Trial], *, slots: int) -> Advance:
    """Returns what a search does next. `trials` are all so far, in the order of their numbers, and `slots` is how many
    may run at once. Raises SearchUnavailable."""
    ends = early_ends(question, trials)
    running = [trial for trial in trials if trial.status == "running"]
    prune = tuple(run for trial in running if trial.number in ends for run in trial.runs)
    count = min(slots - len(running), question.design.trials - len(trials))
    if count > 0:
        return Advance(create=new_trials(question, trials, ends, count), prune=prune)
    if running or len(trials) < question.design.trials:
        return Advance(prune=prune)
    return Advance(confirm=winners(question, trials), done=True)


def new_trials(
    question: SearchQuestion, trials: Sequence[Trial], ends: Mapping[int, int], count: int
) -> tuple[TrialRecipe, ...]:
    points: list[Parameters] = load("sampling").suggest(question, trials, ends, count)
    return tuple(new_trial(question, number, point) for number, point in enumerate(points, start=len(trials)))


def new_trial(question: SearchQuestion, number: int, parameters: Parameters) -> TrialRecipe:
    try:
        return TrialRecipe(number, parameters, recipe_at(question.recipe, question.design, parameters))
    except RecipeInvalid as error:
        return TrialRecipe(number, parameters, None, error.problems[0])


def rungs(epochs: int) -> list[int]:
    """Returns the epochs at whose end trials are compared: from a ninth of all, each three times the one before."""
    found = []
    rung = max(1, epochs // FIRST_RUNG_SHARE)
    while rung < epochs:
        found.append(rung)
        rung *= REDUCTION
    return found


def early_ends(question: SearchQuestion, trials: Sequence[Trial]) -> dict[int, int]:
    """Returns the epoch at which each trial ends that goes on no further, by number.

    At each rung a trial is compared with those before it that have got there, by number and not by time: with one
    worker it is the same whenever this is asked, also after the run has trained on.
    """
    if question.design.pruner == "none":
        return {}
    sign = 1 if question.is_higher_better else -1
    reached: dict[int, list[float]] = {rung: [] for rung in rungs(question.recipe.epochs)}
    ends = {}
    for trial in trials:
        for rung, before in reached.items():
            if rung not in trial.values:
                break
            value = sign * trial.values[rung]
            if is_among_best(value, before):
                before.append(value)
                continue
            ends[trial.number] = rung
            if not math.isnan(value):
                before.append(value)
            break
        if trial.was_pruned and trial.number not in ends:
            ends[trial.number] = max(trial.values, default=0)
    return ends


def is_among_best(value: float, others: Sequence[float]) -> bool:
    """Whether a value is among the best third of all, itself included; of up to five the best one goes on."""
    if math.isnan(value):
        return False
    count = max(1, (len(others) + 1) // REDUCTION)
    return sum(other > value for other in others) < count


def winners(question: SearchQuestion, trials: Sequence[Trial]) -> tuple[int, ...]:
    """Returns the numbers of the trials to confirm, the best first; of equal ones the earlier. There may be fewer
    recipes than are asked for."""
    confirm = question.design.confirm
    if confirm is None:
        return ()
    sign = -1 if question.is_higher_better else 1
    complete = first_of_each_recipe(question, complete_trials(question, trials))
    whole = [(sign * trial.value, trial.number) for trial in complete if trial.value is not None]
    return tuple(number for _, number in sorted(whole)[: confirm.top])


def first_of_each_recipe(question: SearchQuestion, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the first trial of each recipe, and none of the recipe that trials change, which is confirmed itself."""
    found: dict[str, Trial | None] = {question.recipe.group_sha256(): None}
    for trial in trials:
        # If only an earlier version accepts it, it cannot be trained again.
        with suppress(RecipeInvalid):
            recipe = read_recipe(recipe_at(question.recipe, question.design, trial.parameters))
            found.setdefault(recipe.group_sha256(), trial)
    return [trial for trial in found.values() if trial is not None]


def complete_trials(question: SearchQuestion, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the trials that have a value and were not ended early."""
    ends = early_ends(question, trials)
    return [trial for trial in trials if is_complete(trial) and trial.number not in ends]


def is_complete(trial: Trial) -> bool:
    """Whether a trial has succeeded with a number; one that was ended early may have."""
    return trial.status == "succeeded" and trial.value is not None and math.isfinite(trial.value)


def confirmation_seeds(seen: Collection[int], count: int) -> list[int]:
    """Returns the first seeds that the search has not seen."""
    return [seed for seed in range(count + len(seen)) if seed not in seen][:count]


def best_so_far(question: SearchQuestion, trials: Sequence[Trial]) -> list[tuple[int, float]]:
    """Returns each trial that was better than all before it, with its value."""
    found: list[tuple[int, float]] = []
    for trial in complete_trials(question, trials):
        value = trial.value
        if value is None:
            continue
        if not found or (value > found[-1][1] if question.is_higher_better else value < found[-1][1]):
            found.append((trial.number, value))
    return found


def importances(question: SearchQuestion, trials: Sequence[Trial]) -> dict[str, float]:
    """Returns the share of each place in what sets the best trials apart, the largest first; empty if there are fewer
    than ten complete trials. Raises SearchUnavailable."""
    if len(complete_trials(question, trials)) < LEAST_TRIALS_FOR_IMPORTANCE:
        return {}
    found: dict[str, float] = load("importance").importances(question, trials, early_ends(question, trials))
    return found
