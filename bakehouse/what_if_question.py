"""Reads the settings of early stopping that a user asks about, and reports every problem in them."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from bakehouse.model import Model
from bakehouse.plurals import count_of
from bakehouse.recipe.early_stopping import EarlyStopping, why_unfit
from bakehouse.recipe.problems import Problem, RecipeInvalid, conflict, pointer, posted_pointer
from bakehouse.recipe.read import MAX_PROBLEMS, plain, translate

MAX_SETTINGS = 100
# A stopper takes about 3 µs for an epoch, during which the service answers others more slowly.
MAX_OBSERVED = 1_000_000
FIELD = "early_stopping"
FITS_EVERY_MONITOR = ("none", "patience", "successive_increases")
MAX_POINTER_CHARACTERS = 200


class WhatIfQuestion(Model):
    """Settings of early stopping to try on the metrics of epochs that were trained before."""

    early_stopping: Annotated[list[EarlyStopping], Field(min_length=1, max_length=MAX_SETTINGS)]
    """The settings, each as in a recipe: 5 is short for a patience of 5, and `none` is no early stopping."""


def read_question(document: object, *, monitor: str) -> WhatIfQuestion:
    """Returns the question of a JSON document about runs with this monitor, with short forms spelt out. Raises
    RecipeInvalid with its problems."""
    try:
        question = WhatIfQuestion.model_validate(document)
    except ValidationError as error:
        problems = question_problems(document, error.errors(include_url=False))
        raise RecipeInvalid(islice(problems, MAX_PROBLEMS)) from error
    if unfit := list(unfit_settings(document, question, monitor)):
        raise RecipeInvalid(unfit)
    return question


def question_problems(document: object, errors: Iterable[ErrorDetails]) -> Iterator[Problem]:
    """Yields pydantic's errors as problems, those of a setting as they would be in a recipe."""
    for error in errors:
        match error["loc"]:
            case (str(), int() as index, *rest) if isinstance(document, dict):
                as_in_recipe: ErrorDetails = {**error, "loc": (FIELD, *rest)}
                for problem in translate({FIELD: document[FIELD][index]}, [as_in_recipe]):
                    yield in_list(problem, index)
            case path:
                yield form_problem(pointer(path)[:MAX_POINTER_CHARACTERS], error)


def form_problem(where: str, error: ErrorDetails) -> Problem:
    """Returns pydantic's error as a problem of the question itself."""
    match error["type"]:
        case "extra_forbidden":
            return Problem(pointer=where, code="unknown_field", message=plain(error), allowed=(FIELD,))
        case "model_type":
            return Problem(pointer=where, code="object_type", message=f'should be an object: {{"{FIELD}": [3, 5]}}')
        case kind:
            return Problem(pointer=where, code=kind, message=plain(error))


def in_list(problem: Problem, index: int) -> Problem:
    """Returns a problem of a recipe's early stopping with a pointer to the setting with this index."""
    below = (problem.pointer or "").removeprefix(f"/{FIELD}")
    return problem.model_copy(update={"pointer": f"/{FIELD}/{index}{below}"})


def unfit_settings(document: Any, question: WhatIfQuestion, monitor: str) -> Iterator[Problem]:
    """Yields a problem for each setting that a recipe with this monitor could not have."""
    for index, setting in enumerate(question.early_stopping):
        if message := why_unfit(setting, monitor):
            where = posted_pointer({FIELD: document[FIELD][index]}, (FIELD, "type"))
            yield in_list(conflict(where, message, FITS_EVERY_MONITOR), index)


def refuse_long_work(question: WhatIfQuestion, epochs: int) -> None:
    """Raises RecipeInvalid if there are too many settings for so many measured epochs."""
    most = max(1, MAX_OBSERVED // max(1, epochs))
    if len(question.early_stopping) > most:
        message = (
            f"there are {count_of(epochs, 'measured epoch')}: ask about at most {count_of(most, 'setting')} at once"
        )
        allowed = (f"max length {most}",)
        raise RecipeInvalid([Problem(pointer=f"/{FIELD}", code="too_long", message=message, allowed=allowed)])
