"""Plans the recipes of an experiment: those of its arms, and the one whose fields a search changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bakehouse.experiments.designs import Arm, refuse_equal_arms
from bakehouse.experiments.document import ExperimentDocument
from bakehouse.experiments.planned_runs import PlannedRun, planned_runs
from bakehouse.experiments.question import Question, in_first_fold, point_into_document, point_into_recipe, with_fold
from bakehouse.experiments.references import builds_on, in_order
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import MAX_PROBLEMS
from bakehouse.runs.measurements import Work
from bakehouse.runs.run import Run
from bakehouse.runs.template import RunTemplate

PlanOf = TypeVar("PlanOf")
MakeTemplate = Callable[[JsonObject, Mapping[str, PlannedRun]], RunTemplate]
"""Plans a recipe, which may build on runs that are only planned. Raises RecipeInvalid."""


@dataclass(frozen=True)
class PlannedArm:
    """An arm whose recipe can be trained, with a template of its runs for each fold."""

    name: str
    templates: Mapping[int | None, RunTemplate]
    levels: tuple[bool, ...] = ()
    builds_on: tuple[str, ...] = ()
    """The arms whose runs the recipe names; until these have succeeded, other ids stand in for theirs."""

    @property
    def planned(self) -> Run:
        """The planned run of the first fold."""
        return next(iter(self.templates.values())).planned

    @property
    def work(self) -> Work:
        """The amount of work of a run of the first fold."""
        return next(iter(self.templates.values())).work

    @property
    def parameters(self) -> int:
        """Number of learned parameters."""
        return next(iter(self.templates.values())).parameters


def plan_arms(question: Question, folds: Sequence[int | None], make_template: MakeTemplate) -> tuple[PlannedArm, ...]:
    """Plans the recipes of all arms in some folds. Raises RecipeInvalid with the problems of all arms, as pointers into
    the experiment's document."""
    document = question.document
    planned: dict[str, PlannedArm] = {}
    problems: list[Problem] = []
    for arm in in_order(question.arms.arms):
        if not planned.keys() >= set(builds_on(arm)):
            continue  # an arm that it builds on has a problem
        try:
            planned[arm.name] = plan_arm(arm, document, planned, folds, make_template)
        except RecipeInvalid as error:
            problems += point_into_document(arm, document, error).problems
            if len(problems) >= MAX_PROBLEMS:
                break
    if problems:
        raise RecipeInvalid(problems[:MAX_PROBLEMS])
    arms = tuple(planned[arm.name] for arm in question.arms.arms)
    refuse_equal_arms(question.arms, [arm.planned.recipe_group_sha256 for arm in arms], document.design)
    return arms


def plan_arm(
    arm: Arm,
    document: ExperimentDocument,
    others: Mapping[str, PlannedArm],
    folds: Sequence[int | None],
    make_template: MakeTemplate,
) -> PlannedArm:
    """Plans the recipe of one arm in some folds; `others` has the arms that it builds on. Raises RecipeInvalid with
    pointers into the recipe."""
    sources = builds_on(arm)
    templates = {}
    for fold in folds:
        runs = runs_of([others[name] for name in sources], fold)
        templates[fold] = make_template(with_fold(arm.recipe, document.folds, fold), runs)
    return PlannedArm(arm.name, templates, arm.levels, sources)


def runs_of(arms: Sequence[PlannedArm], fold: int | None) -> dict[str, PlannedRun]:
    """Returns the runs that arms will have in one fold, by the ids that stand in for them."""
    planned = [(arm.name, arm.templates[fold].planned) for arm in arms]
    return planned_runs((name, run.recipe, run.dataset_fingerprint) for name, run in planned)


def independent_recipe(question: Question) -> JsonObject:
    """Returns the recipe of an arm that builds on no other one, in the first fold."""
    return in_first_fold(in_order(question.arms.arms)[0].recipe, question.document)


def plan_searched(question: Question, prepare: Callable[[JsonObject], PlanOf]) -> PlanOf:
    """Plans the recipe whose fields a search changes. Raises RecipeInvalid with pointers into the experiment's
    document."""
    try:
        return prepare(in_first_fold(question.recipe.canonical(), question.document))
    except RecipeInvalid as error:
        raise point_into_recipe(question.document, error) from error
