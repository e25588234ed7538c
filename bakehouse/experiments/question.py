"""Reads the document of an experiment and expands it into the recipes to train."""

from collections.abc import Iterator
from dataclasses import dataclass

from bakehouse.experiments.designs import Arm, Arms, expand, invalid
from bakehouse.experiments.document import MAX_RUNS, ExperimentDocument, Search, read_document
from bakehouse.experiments.references import (
    CircularArms,
    refuse_references_of_search,
    with_arm_names,
    with_builds_on,
)
from bakehouse.experiments.stand_ins import recipe_with_stand_ins
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of
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
    refuse_references_of_search(document)
    try:
        recipe = read_base(document)
        arms = with_builds_on(expand(document.design, recipe), document)
    except CircularArms as error:
        raise point_into_document(error.arm, document, RecipeInvalid([error.problem])) from error
    except RecipeInvalid as error:
        raise with_arm_names(error, document) from error
    question = Question(document, recipe, arms)
    refuse_too_many_runs(question)
    refuse_more_winners_than_trials(document)
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
        return read_recipe(recipe_with_stand_ins(document.recipe))
    except RecipeInvalid as error:
        raise RecipeInvalid(
            problem.model_copy(update={"pointer": f"/recipe{problem.pointer or ''}"}) for problem in error.problems
        ) from error


def refuse_too_many_runs(question: Question) -> None:
    document = question.document
    count = count_runs(question)
    if count > MAX_RUNS:
        by_folds = f" x {document.folds} folds" if document.folds else ""
        arms = f"{len(question.arms.arms):,} arms"
        confirmed = ""
        if isinstance(document.design, Search):
            arms = f"{document.design.trials:,} trials"
            confirmed = ", with those that confirm the best," if document.design.confirm else ""
        message = f"{arms} x {count_of(len(document.seeds), 'seed')}{by_folds}{confirmed} are {count:,} runs"
        is_search = isinstance(document.design, Search)
        place = "/design/trials" if is_search and len(document.seeds) == 1 else "/seeds"
        raise invalid(place, "too_many_runs", f"{message}; an experiment has at most {MAX_RUNS:,}")


def refuse_more_winners_than_trials(document: ExperimentDocument) -> None:
    design = document.design
    confirm = design.confirm if isinstance(design, Search) else None
    if isinstance(design, Search) and confirm is not None and confirm.top > design.trials:
        message = f"the best {confirm.top} cannot be confirmed of {count_of(design.trials, 'trial')}"
        raise invalid("/design/confirm/top", "conflict", message, allowed=(f"<= {design.trials}",))


def count_runs(question: Question) -> int:
    """Returns the number of runs that the answer needs; of a search the most that it may need."""
    document = question.document
    seeds = len(document.seeds)
    if not isinstance(document.design, Search):
        return len(question.arms.arms) * seeds * (document.folds or 1)
    confirm = document.design.confirm
    # The recipe itself is trained beside the best trials.
    again = (confirm.top + 1) * confirm.seeds if confirm else 0
    return (document.design.trials * seeds + again) * (document.folds or 1)


def with_fold(recipe: JsonObject, folds: int | None, fold: int | None) -> JsonObject:
    """Returns the recipe of one fold of a cross-validation."""
    if folds is None:
        return recipe
    return {**recipe, "dataset": {**recipe["dataset"], "folds": folds, "fold": fold}}


def in_first_fold(recipe: JsonObject, document: ExperimentDocument) -> JsonObject:
    """Returns the recipe of the first fold; without cross-validation the recipe itself."""
    return with_fold(recipe, document.folds, folds_of(document)[0])


def folds_of(document: ExperimentDocument) -> tuple[int | None, ...]:
    """Returns the numbers of the folds; without cross-validation only None."""
    return (None,) if document.folds is None else tuple(range(document.folds))


def point_into_recipe(document: ExperimentDocument, error: RecipeInvalid) -> RecipeInvalid:
    """Translates the problems of the recipe that a search changes into problems of the experiment's document."""

    def translated() -> Iterator[Problem]:
        for problem in error.problems:
            where = "/recipe" + posted_pointer(document.recipe, path_of(problem.pointer or ""))
            yield problem.model_copy(update={"pointer": where})

    return RecipeInvalid(translated())


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

    return with_arm_names(RecipeInvalid(translated()), document)
