"""Reads the document of an experiment and expands it into the recipes to train."""

from collections.abc import Iterator
from dataclasses import dataclass

from bakehouse.experiments.designs import Arm, Arms, expand, invalid
from bakehouse.experiments.document import MAX_RUNS, ExperimentDocument, Search, read_document
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import Problem, RecipeInvalid, path_of, posted_pointer
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe


@dataclass(frozen=True)
class Question:
    """An experiment that was read, but whose recipes are not planned yet."""

    document: ExperimentDocument
    recipe: Recipe
    arms: Arms


def read_experiment(posted: object) -> Question:
    """Reads the document of an experiment. Raises RecipeInvalid with pointers into the document."""
    document = read_document(posted)
    recipe = read_base(document)
    arms = expand(document.design, recipe)
    question = Question(document, recipe, arms)
    refuse_too_many_runs(question)
    return question


def read_base(document: ExperimentDocument) -> Recipe:
    """Returns the recipe that the arms are made from."""
    if "seed" in document.recipe:
        raise invalid("/recipe/seed", "conflict", "the seeds of an experiment are listed in /seeds")
    dataset = document.recipe.get("dataset")
    for name in ("fold", "folds"):
        if isinstance(dataset, dict) and dataset.get(name) is not None:
            raise invalid(f"/recipe/dataset/{name}", "conflict", "the folds of an experiment are set in /folds")
    try:
        return read_recipe(document.recipe)
    except RecipeInvalid as error:
        raise RecipeInvalid(
            problem.model_copy(update={"pointer": f"/recipe{problem.pointer or ''}"}) for problem in error.problems
        ) from error


def refuse_too_many_runs(question: Question) -> None:
    document = question.document
    arms = len(question.arms.arms)
    folds = document.folds or 1
    count = arms * len(document.seeds) * folds
    if isinstance(document.design, Search):
        count = document.design.trials * len(document.seeds) * folds
    if count > MAX_RUNS:
        by_folds = f" x {folds} folds" if document.folds else ""
        message = f"{arms:,} arms x {len(document.seeds):,} seeds{by_folds} are {count:,} runs"
        raise invalid("/seeds", "too_many_runs", f"{message}; an experiment has at most {MAX_RUNS:,}")


def with_fold(recipe: JsonObject, folds: int | None, fold: int | None) -> JsonObject:
    """Returns the recipe of one fold of a cross-validation."""
    if folds is None:
        return recipe
    return {**recipe, "dataset": {**recipe["dataset"], "folds": folds, "fold": fold}}


def folds_of(document: ExperimentDocument) -> tuple[int | None, ...]:
    """Returns the numbers of the folds; without cross-validation only None."""
    return (None,) if document.folds is None else tuple(range(document.folds))


def point_into_document(arm: Arm, document: ExperimentDocument, error: RecipeInvalid) -> RecipeInvalid:
    """Translates the problems of an arm's recipe into problems of the experiment's document."""

    def translated() -> Iterator[Problem]:
        for problem in error.problems:
            found = arm.posted(problem)
            if problem.pointer in ("/dataset/folds", "/dataset/fold"):
                found = found.model_copy(update={"pointer": "/folds"})
            elif found.pointer and found.pointer.startswith("/recipe/"):
                path = path_of(found.pointer.removeprefix("/recipe"))
                found = found.model_copy(update={"pointer": "/recipe" + posted_pointer(document.recipe, path)})
            yield found

    return RecipeInvalid(translated())
