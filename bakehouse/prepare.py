"""Turns a posted document into a plan that can be queued. The service and the command line share this code."""

from dataclasses import dataclass
from functools import partial

from bakehouse.advice.advice import Advice
from bakehouse.advice.rules import advise
from bakehouse.checkpoints import NoRuns, SourceRuns, pin_checkpoints
from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.estimate import Estimate
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.problems import Problem, RecipeInvalid, path_of, posted_pointer
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe, SeededDigest
from bakehouse.runs.measurements import work_of
from bakehouse.runs.record import new_run
from bakehouse.runs.template import RunTemplate

NO_RUNS = NoRuns()


@dataclass(frozen=True)
class Limits:
    """The largest model and the largest amount of memory that a recipe may need."""

    parameters: int
    memory_bytes: int | None = None
    """The memory of the worker that has the most; null if no worker has been seen yet."""


@dataclass(frozen=True)
class Prepared:
    """A recipe that can be trained, and the advice about it."""

    plan: Plan
    advice: tuple[Advice, ...]


def prepare(
    document: object,
    catalog: Catalog,
    limits: Limits,
    *,
    runs: SourceRuns = NO_RUNS,
    wait_seconds: float = 0.0,
    recipe: Recipe | None = None,
) -> Prepared:
    """Reads a recipe, plans it and collects the advice about it.

    `runs` are the runs whose checkpoints the recipe may build on, and `recipe` is that of the document if it was read
    before. If the data set is still being packed, waits up to `wait_seconds` and then raises DatasetNotReady. Raises
    RecipeInvalid with pointers into the posted document.
    """
    recipe = recipe or read_recipe(document)
    try:
        card = find_card(recipe.dataset.id, catalog, wait_seconds)
        recipe = pin_dataset(recipe, card)
        recipe, checkpoints = pin_checkpoints(recipe, runs, partial(catalog.card, wait_seconds=wait_seconds))
        plan = make_plan(recipe, card, checkpoints)
        refuse_oversized(plan, limits)
        advice = tuple(advise(plan))
        refuse_errors(advice)
    except RecipeInvalid as error:
        raise RecipeInvalid(point_into_posted(document, problem) for problem in error.problems) from error
    return Prepared(plan, advice)


def new_template(prepared: Prepared) -> RunTemplate:
    """Returns the template of the runs with this plan."""
    plan = prepared.plan
    stopping = plan.recipe.early_stopping
    digest = SeededDigest(plan.recipe)
    planned = new_run(
        plan.recipe,
        advice=prepared.advice,
        steps=plan.steps,
        dataset_fingerprint=plan.card.fingerprint,
        patience=stopping.patience if isinstance(stopping, Patience) else None,
        digest=digest,
    )
    return RunTemplate(planned, plan.estimate.parameters, work_of(plan), digest)


def find_card(dataset: str, catalog: Catalog, wait_seconds: float) -> DatasetCard:
    """Finds the card of the recipe's data set; refuses the recipe if the data set cannot be used."""
    try:
        return catalog.card(dataset, wait_seconds=wait_seconds)
    except DatasetNotFound as error:
        raise dataset_problem("unknown_dataset", error.message, error.allowed) from error
    except DatasetAbsent as error:
        raise dataset_problem("absent_dataset", error.message) from error
    except DatasetBroken as error:
        raise dataset_problem("broken_dataset", error.message) from error


def pin_dataset(recipe: Recipe, card: DatasetCard) -> Recipe:
    """Returns the recipe with the name of its data set that always means the same version."""
    return recipe.model_copy(update={"dataset": recipe.dataset.model_copy(update={"id": card.id})})


def dataset_problem(code: str, message: str, allowed: tuple[str, ...] | None = None) -> RecipeInvalid:
    """Returns the error for a recipe whose data set cannot be used."""
    return RecipeInvalid([Problem(pointer="/dataset/id", code=code, message=message, allowed=allowed)])


def refuse_oversized(plan: Plan, limits: Limits) -> None:
    """Refuses a model that exceeds the limits before it is queued, so that no worker fails because of its size."""
    estimate = plan.estimate
    if not is_oversized(estimate, limits):
        return
    if estimate.parameters > limits.parameters or limits.memory_bytes is None:
        message = f"the model has {estimate.parameters:,} parameters; at most {limits.parameters:,} are allowed"
        raise too_large("/architecture", message, f"<= {limits.parameters:,} parameters")
    needed = estimate.memory_bytes / 2**30
    available = limits.memory_bytes / 2**30
    message = (
        f"training needs about {needed:,.1f} GiB, but the largest worker has {available:,.1f} GiB; "
        "choose a smaller batch size or a smaller model"
    )
    raise too_large("/batch_size", message, f"<= {available:,.1f} GiB")


def is_oversized(estimate: Estimate, limits: Limits) -> bool:
    """Returns whether a model exceeds the limits."""
    needs_too_much = limits.memory_bytes is not None and estimate.memory_bytes > limits.memory_bytes
    return needs_too_much or estimate.parameters > limits.parameters


def too_large(pointer: str, message: str, allowed: str) -> RecipeInvalid:
    """Returns the error for a recipe that exceeds a limit."""
    return RecipeInvalid([Problem(pointer=pointer, code="too_large", message=message, allowed=(allowed,))])


def refuse_errors(advice: tuple[Advice, ...]) -> None:
    """Raises RecipeInvalid if any advice has the severity `error`."""
    errors = [item for item in advice if item.severity == "error"]
    if errors:
        raise RecipeInvalid(Problem(pointer=item.pointer, code=item.code, message=item.message) for item in errors)


def point_into_posted(document: object, problem: Problem) -> Problem:
    """Translates a problem's pointer from the canonical recipe to the posted document."""
    return problem.model_copy(update={"pointer": posted_pointer(document, path_of(problem.pointer or ""))})
