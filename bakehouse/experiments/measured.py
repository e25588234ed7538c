"""Defines what the results of an experiment are computed from: the question, its arms, and their runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bakehouse.experiments.answer import ExperimentStatus
from bakehouse.experiments.experiment import MissingRun, PlacedRun
from bakehouse.experiments.statistics import is_usable
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.status import TERMINAL, Reason, Status

DesignType = Literal["variants", "grid", "ablation", "factorial", "search"]
# The fields of `dataset` that decide what is validated.
SPLIT_FIELDS = ("target", "split", "split_seed", "validation_fraction", "folds")
COMPARED = frozenset({"dataset", "objective", "evaluation", "epochs", "time_budget_seconds"})
"""The fields of a recipe that `arm_facts` reads."""
USUAL_LOSSES = (None, "cross_entropy", "squared_error")


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """What is known of an arm before it is trained."""

    name: str
    differs: JsonObject = field(default_factory=dict)
    """The fields that differ from the baseline, by JSON Pointer, with the arm's canonical values."""
    levels: tuple[bool, ...] = ()
    """In a factorial, whether each factor is on."""
    parameters: int | None = None
    is_trial: bool = False
    """Whether it is a trial of a search. These are not compared, because their values choose among them."""
    was_pruned: bool = False
    """Whether the pruner of a search has ruled the trial out."""
    has_runs: bool = True
    """False of an arm whose runs will build on others; then nothing below is known."""
    split: str = ""
    """Equal in two arms if, on the same data, they validate the same target on the same rows."""
    objective: str = ""
    """Equal in two arms if their losses on the validation split are on one scale."""
    monitor: str = ""
    """The metric that chooses the best epoch."""
    budget: str = ""
    """How long a run may train, as text: `20 epochs`."""


@dataclass(frozen=True, slots=True)
class ComparisonQuestion:
    """The part of an experiment that decides how its results are computed: design, metric, baseline and arms."""

    experiment: str
    status: ExperimentStatus
    design: DesignType
    metric: str
    baseline: str | None
    arms: tuple[ArmFacts, ...]
    factors: tuple[str, ...] = ()
    """In a factorial, the names of the ingredients that are on or off."""
    folds: int | None = None
    missing: tuple[MissingRun, ...] = ()
    """The runs that do not exist yet because they build on others."""


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run of an experiment, which need not be over. Of a run and its retries only the newest counts."""

    arm: str
    seed: int
    run: str
    status: Status
    reason: Reason
    fold: int | None = None
    value: float | None = None
    """The metric at the best epoch."""
    test: Mapping[str, float | None] = field(default_factory=dict)
    """The metrics of the best weights on the test split."""
    epochs: int = 0
    seconds: float = 0.0
    message: str | None = None
    """Why the run failed."""
    exact: bool = True
    data: str | None = None
    """The fingerprint of the data set; None if it is not known."""
    reused: bool = False

    @property
    def place(self) -> str:
        """The name of the value in an arm: its seed, or its seed and fold."""
        return str(self.seed) if self.fold is None else f"{self.seed}/{self.fold}"

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_measured(self) -> bool:
        """Whether the run has succeeded with a finite value."""
        return self.status == "succeeded" and is_usable(self.value)


READ = ("status", "reason", "best", "progress", "seconds", "failure", "exact", "provenance", "dataset_fingerprint")
"""The fields of a run that the results need."""


def measure(place: PlacedRun, fields: Mapping[str, str], *, metric: str, reused: bool = False) -> MeasuredRun:
    """Returns what the results need of a run, from the fields that `READ` names, each as JSON: to read the whole
    records of a thousand runs would take seconds. A reused run may belong to another experiment, so its place is
    given."""
    # One call of the parser is faster than one for each field.
    members = (f'"{name}":{fields.get(name, "null")}' for name in READ)
    run = json.loads("{" + ",".join(members) + "}")
    best, failure, provenance = run["best"], run["failure"], run["provenance"]
    metrics = metrics_of(best) if best else {}
    return MeasuredRun(
        arm=place.arm,
        seed=place.seed,
        fold=place.fold,
        run=place.run,
        status=run["status"],
        reason=run["reason"],
        value=metrics.get(metric),
        test={name: value for name, value in metrics.items() if name.startswith("test_")},
        epochs=run["progress"]["epoch"],
        seconds=run["seconds"],
        message=failure and failure["message"],
        exact=run["exact"],
        data=provenance["dataset_fingerprint"] if provenance else run["dataset_fingerprint"],
        reused=reused,
    )


def metrics_of(best: JsonObject) -> dict[str, float | None]:
    """Returns the metrics of the best epoch of a run, from its field `best`."""
    return {best["monitor"]: best["value"], **best["metrics"]}


def arm_facts(
    name: str,
    recipe: Recipe,
    *,
    differs: JsonObject,
    levels: tuple[bool, ...] = (),
    parameters: int | None = None,
    is_trial: bool = False,
    was_pruned: bool = False,
) -> ArmFacts:
    """Returns what is known of an arm from the recipe of any of its runs."""
    dataset = recipe.dataset.model_dump(mode="json")
    return ArmFacts(
        name=name,
        differs=differs,
        levels=levels,
        parameters=parameters,
        is_trial=is_trial,
        was_pruned=was_pruned,
        split=json.dumps([dataset.get(name) for name in SPLIT_FIELDS]),
        objective=objective_text(recipe),
        monitor=recipe.evaluation.monitor,
        budget=budget_text(recipe),
    )


def is_loss(metric: str) -> bool:
    """Returns whether a metric has the scale of the objective."""
    return metric.endswith("_loss")


def objective_text(recipe: Recipe) -> str:
    """Returns what decides the scale of the validation loss. Smoothing, weights, adversaries and teachers do not:
    validation is without them."""
    objective = recipe.objective.model_dump(mode="json", include={"loss", "tasks"})
    # Without a loss, the usual one of the task is meant, so that its name says the same.
    loss = "usual" if objective["loss"] in USUAL_LOSSES else objective["loss"]
    return json.dumps([loss, objective["tasks"]])


def budget_text(recipe: Recipe) -> str:
    epochs = count_of(recipe.epochs, "epoch")
    seconds = recipe.time_budget_seconds
    return epochs if seconds is None else f"{epochs} and {seconds:g} s"
