"""From a posted document to a plan that can be queued: the one way in, for service, command line and laptop."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from bakehouse.advice.advice import Advice
from bakehouse.advice.rules import advise
from bakehouse.checkpoints import NoRuns, SavedRuns, find_sources
from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.problems import Problem, RecipeInvalid, path_of, posted_pointer
from bakehouse.recipe.read import read_recipe

NO_RUNS = NoRuns()


@dataclass(frozen=True)
class Limits:
    """What a recipe may ask for."""

    parameters: int
    memory_bytes: int | None = None
    """Of the largest worker; None where no worker has been seen yet."""


@dataclass(frozen=True)
class Prepared:
    """A recipe that can be trained, and what the literature says about it."""

    plan: Plan
    advice: tuple[Advice, ...]


def prepare(
    document: Any, catalog: Catalog, limits: Limits, *, saved: SavedRuns = NO_RUNS, wait_seconds: float = 0.0
) -> Prepared:
    """Reads, plans and advises; `wait_seconds` is how long a set that is being packed is waited for, `saved` are the
    runs whose weights a recipe may build on.

    Raises RecipeInvalid with pointers into the document, and DatasetNotReady.
    """
    recipe = read_recipe(document)
    try:
        card = find_card(recipe.dataset.id, catalog, wait_seconds)
        recipe, checkpoints = find_sources(recipe, saved, partial(catalog.card, wait_seconds=wait_seconds))
        plan = make_plan(recipe, card, checkpoints)
        refuse_oversized(plan, limits)
        advice = tuple(advise(plan))
        refuse_errors(advice)
    except RecipeInvalid as error:
        raise RecipeInvalid(as_posted(document, problem) for problem in error.problems) from error
    return Prepared(plan, advice)


def find_card(dataset: str, catalog: Catalog, wait_seconds: float) -> DatasetCard:
    """The set's card, or a problem that says which sets there are."""
    try:
        return catalog.card(dataset, wait_seconds=wait_seconds)
    except DatasetNotFound as error:
        raise dataset_problem("unknown_dataset", error.message, error.allowed) from error
    except DatasetAbsent as error:
        raise dataset_problem("absent_dataset", error.message) from error
    except DatasetBroken as error:
        raise dataset_problem("broken_dataset", error.message) from error


def dataset_problem(code: str, message: str, allowed: tuple[str, ...] | None = None) -> RecipeInvalid:
    """A recipe whose data set cannot be used."""
    return RecipeInvalid([Problem(pointer="/dataset/id", code=code, message=message, allowed=allowed)])


def refuse_oversized(plan: Plan, limits: Limits) -> None:
    """Before it is queued, not when a worker fails at it."""
    estimate = plan.estimate
    if estimate.parameters > limits.parameters:
        message = f"the model has {estimate.parameters:,} parameters; at most {limits.parameters:,} are taken"
        raise too_large("/architecture", message, f"<= {limits.parameters:,} parameters")
    if limits.memory_bytes is not None and estimate.memory_bytes > limits.memory_bytes:
        need, have = estimate.memory_bytes / 2**30, limits.memory_bytes / 2**30
        message = f"training needs about {need:,.1f} GiB and the largest worker has {have:,.1f}; a smaller batch helps"
        raise too_large("/batch_size", message, f"<= {have:,.1f} GiB")


def too_large(pointer: str, message: str, allowed: str) -> RecipeInvalid:
    """A recipe that is beyond a limit."""
    return RecipeInvalid([Problem(pointer=pointer, code="too_large", message=message, allowed=(allowed,))])


def refuse_errors(advice: tuple[Advice, ...]) -> None:
    """Advice of severity `error` refuses."""
    errors = [item for item in advice if item.severity == "error"]
    if errors:
        raise RecipeInvalid(Problem(pointer=item.pointer, code=item.code, message=item.message) for item in errors)


def as_posted(document: Any, problem: Problem) -> Problem:
    """A problem of the canonical recipe, with its pointer into what was posted."""
    return problem.model_copy(update={"pointer": posted_pointer(document, path_of(problem.pointer or ""))})
