"""Makes the record and the runs of an experiment from arms that are planned."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bakehouse.experiments.document import ExperimentDocument
from bakehouse.experiments.experiment import ExperimentArm, PlacedRun
from bakehouse.experiments.planned_arms import PlannedArm
from bakehouse.experiments.question import Question, in_first_fold, point_into_document
from bakehouse.experiments.stand_ins import stand_in, with_references
from bakehouse.model import JsonObject
from bakehouse.plan.heads import monitors
from bakehouse.plan.plan import Plan
from bakehouse.recipe.evaluation import CLASS_MEASURES
from bakehouse.recipe.problems import Problem, RecipeInvalid, did_you_mean, pointer
from bakehouse.recipe.recipe import MAX_NAME_CHARACTERS, Recipe
from bakehouse.runs.run import Cell, Run
from bakehouse.runs.template import RunTemplate
from bakehouse.runs.wire import Texts

# The places of a recipe that decide which metrics there are, besides the whole data set.
CHOOSE_TARGET = ("/dataset/id", "/dataset/target")
NO_DIFFERENCE = frozenset({"name", "labels", "seed", "version"})


@dataclass(frozen=True)
class Place:
    """One combination of arm, seed and fold, for which an experiment needs exactly one run."""

    arm: PlannedArm
    seed: int
    fold: int | None

    @property
    def key(self) -> tuple[str, int, int | None]:
        """What distinguishes the place from others in the experiment."""
        return self.arm.name, self.seed, self.fold

    @property
    def recipe(self) -> Recipe:
        """The recipe to train."""
        end = f", seed {self.seed}" + ("" if self.fold is None else f", fold {self.fold}")
        planned = self.template.planned.recipe
        # The name of an arm lists the values of up to ten axes.
        name = planned.name or self.arm.name[: MAX_NAME_CHARACTERS - len(end)] + end
        return planned.model_copy(update={"seed": self.seed, "name": name})

    @property
    def template(self) -> RunTemplate:
        """The template of the run."""
        return self.arm.templates[self.fold]

    @property
    def digest(self) -> tuple[str, str | None]:
        """The digest of the recipe and the fingerprint of the data, by which equal runs are found."""
        return self.template.digest(self.seed), self.template.planned.dataset_fingerprint


def places(arms: Iterable[PlannedArm], seeds: Sequence[int]) -> Iterator[Place]:
    """Yields what an experiment trains. The arms take turns, so that an early look has something of each."""
    listed = list(arms)
    for seed in seeds:
        folds = listed[0].templates if listed else ()
        for fold in folds:
            for arm in listed:
                yield Place(arm, seed, fold)


def new_run(place: Place, experiment_id: str, priority: int) -> tuple[Run, Texts]:
    """Returns a run that is not stored yet, and those of its fields whose JSON is known."""
    cell = Cell(id=experiment_id, arm=place.arm.name, seed=place.seed, fold=place.fold)
    return place.template.new_run(
        place.recipe, parent_run=None, reason="submitted", verification=None, experiment=cell, priority=priority
    )


def reused_run(place: Place, run_id: str) -> PlacedRun:
    return PlacedRun(run=run_id, arm=place.arm.name, seed=place.seed, fold=place.fold)


def described(arms: Sequence[PlannedArm], base: Recipe) -> tuple[ExperimentArm, ...]:
    """Returns the arms as clients see them. `base` is the recipe that they are compared with."""
    names = {stand_in(name): name for arm in arms for name in arm.builds_on}

    def document_of(recipe: Recipe) -> JsonObject:
        document = recipe.canonical()
        return with_references(document, names) if names else document

    document = document_of(base)
    return tuple(
        ExperimentArm(
            name=arm.name,
            differs=dict(differences(document, document_of(arm.planned.recipe))),
            recipe_group_sha256=arm.planned.recipe_group_sha256,
            parameters=arm.parameters,
            levels=arm.levels,
            builds_on=arm.builds_on,
        )
        for arm in arms
    )


def differences(base: JsonObject, other: JsonObject, path: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """Yields the places at which a canonical recipe differs from another, with its values there. Ingredients of
    different types differ as a whole."""
    for name in dict.fromkeys([*base, *other]):
        if not path and name in NO_DIFFERENCE:
            continue
        old, new = base.get(name), other.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and old.get("type") == new.get("type"):
            yield from differences(old, new, (*path, name))
        else:
            yield pointer([*path, name]), new


def metric_of(document: ExperimentDocument, recipe: Recipe, plan: Plan) -> str:
    """Returns the metric that an experiment compares. Raises RecipeInvalid if its runs do not measure it."""
    metric = document.metric
    if metric is None:
        monitor = recipe.evaluation.monitor
        accuracy = "validation_accuracy"
        return accuracy if monitor == "validation_loss" and accuracy in monitors(plan.data.targets) else monitor
    problem = why_not_measured(metric, recipe, plan)
    if problem is not None:
        raise RecipeInvalid([problem.model_copy(update={"pointer": "/metric"})])
    return metric


def why_not_measured(metric: str, recipe: Recipe, plan: Plan) -> Problem | None:
    """Returns the problem of a recipe whose runs do not measure a metric; None if they do."""
    allowed = monitors(plan.data.targets)
    if metric not in allowed:
        message = f"there is no metric {metric!r} here{did_you_mean(metric, allowed)}"
        return Problem(pointer="/dataset", code="not_allowed", message=message, allowed=allowed)
    measure = next((each for each in CLASS_MEASURES if metric.endswith(f"_{each}")), None)
    if measure is None or measure in recipe.evaluation.metrics or metric == recipe.evaluation.monitor:
        return None
    message = f"the runs do not measure it: add {measure!r} to /recipe/evaluation/metrics"
    return Problem(pointer="/evaluation/metrics", code="not_measured", message=message)


def refuse_arms_without_metric(
    question: Question,
    planned: Sequence[PlannedArm],
    metric: str,
    plan_of: Callable[[JsonObject], Plan],
    accepted: Container[str] = (),
) -> None:
    """Refuses arms that cannot be compared because their runs do not have the metric. An arm on which others build
    need not be compared: it may be trained on another task. Nor are the `accepted` arms refused, which are there."""
    sources = {name for arm in planned for name in arm.builds_on}
    known: set[str] = set()
    for arm, each in zip(question.arms.arms, planned, strict=True):
        recipe = each.planned.recipe
        # What decides which metrics there are. To plan each of a thousand arms again would take seconds.
        measured = [recipe.dataset.id, recipe.dataset.target, recipe.objective.tasks, recipe.evaluation]
        key = repr(measured)
        if key in known or each.builds_on or each.name in sources or each.name in accepted:
            continue
        known.add(key)
        problem = why_not_measured(metric, recipe, plan_of(in_first_fold(arm.recipe, question.document)))
        if problem is not None:
            choices = (place for place in CHOOSE_TARGET if problem.pointer == "/dataset" and place in arm.sources)
            placed = problem.model_copy(update={"pointer": next(choices, problem.pointer)})
            raise point_into_document(arm, question.document, RecipeInvalid([placed]))
