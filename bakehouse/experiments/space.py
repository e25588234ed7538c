"""The space of a search: the recipe at each of its points, and the problems for which a space is refused."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from jsonpointer import JsonPointer

from bakehouse.experiments.document import Choice, Integer, LogUniform, Search, Uniform
from bakehouse.experiments.measured import objective_text
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import Problem, RecipeInvalid, nearest_names, path_of, pointer
from bakehouse.recipe.read import LARGEST_EXACT, read_recipe
from bakehouse.recipe.recipe import Recipe

Parameters = Mapping[str, float | int]
"""A point of the space: a number for each place, which of a choice is the index of the value."""
Prepare = Callable[[JsonObject], object]
"""Plans a recipe; raises RecipeInvalid if it cannot be trained."""

SPACE = "/design/space"
NOT_TRAINING = ("seed", "name", "labels")
# Between the ends; irrational, so that the number at this share of a range has a fraction.
INSIDE = (math.sqrt(5) - 1) / 2
# Each is planned before anything is queued, which takes some milliseconds.
MAX_CHECKED = 500
MAX_PROBLEMS = 100


@dataclass(frozen=True)
class Checked:
    """A value of a space that is planned before anything is queued, and its place in the experiment's document."""

    place: str
    value: object
    source: str
    is_written: bool = True
    """Whether the document contains the value; otherwise it lies between the ends of a range."""


def recipe_at(recipe: Recipe, design: Search, parameters: Parameters) -> JsonObject:
    """Returns the recipe at a point of the space. Raises RecipeInvalid if values of two places exclude each other."""
    values = {place: value_at(design, place, number) for place, number in parameters.items()}
    return with_values(recipe, values)


def value_at(design: Search, place: str, number: float) -> object:
    space = design.space[place]
    return space.values[int(number)] if isinstance(space, Choice) else number


def with_values(recipe: Recipe, values: Mapping[str, object]) -> JsonObject:
    """Returns the recipe with other values at some places. A place inside of another one is set after it."""
    document = recipe.canonical()
    for place in sorted(values, key=lambda place: place.count("/")):
        if outer_places(place, values):
            # The ingredient around it may have been set in a short form, which lacks the place.
            document = read_recipe(document).canonical()
        path = find_place(document, place)
        document = JsonPointer(pointer(path)).set(document, values[place], inplace=False)
    return document


def outer_places(place: str, places: Mapping[str, object]) -> list[str]:
    """Returns the places that contain another one."""
    return [outer for outer in places if place.startswith(f"{outer}/")]


def find_place(document: JsonObject, place: str) -> list[str | int]:
    """Returns the path of a place in a canonical recipe; the index of a list of one item may be left out. Raises
    RecipeInvalid if the recipe has no such place."""
    node: Any = document
    path: list[str | int] = []
    for step in path_of(place):
        if isinstance(node, list) and len(node) == 1 and isinstance(step, str):
            node = node[0]
            path.append(0)
        is_name = isinstance(node, dict) and step in node
        is_index = isinstance(node, list) and isinstance(step, int) and step < len(node)
        if not is_name and not is_index:
            raise unknown_place(place, path, node, step)
        node = node[step]
        path.append(step)
    return path


def unknown_place(place: str, path: Sequence[str | int], node: object, step: str | int) -> RecipeInvalid:
    names = list(node) if isinstance(node, dict) else list(map(str, range(len(node)))) if isinstance(node, list) else []
    known = tuple(pointer([*path, name]) for name in names)
    near = nearest_names(step, names)
    hint = f"; did you mean {pointer([*path, near[0]])}?" if near else ""
    message = f"the recipe has no {place}{hint}"
    return RecipeInvalid([problem_at(place, "", "unknown_pointer", message, known or None)])


def problem_at(place: str, field: str, code: str, message: str, allowed: tuple[str, ...] | None = None) -> Problem:
    """Returns a problem of a field of a space."""
    return Problem(pointer=SPACE + pointer([place]) + field, code=code, message=message, allowed=allowed)


def check_space(design: Search, recipe: Recipe, prepare: Prepare) -> None:
    """Refuses a space with an impossible range, with a place that the recipe does not have, or with a value that cannot
    be trained. Each value of a choice, and both ends and a number inside of each range, is planned with the recipe as
    it is otherwise.

    Raises RecipeInvalid with pointers into the experiment's document.
    """
    found = list(islice(bad_ranges(design), MAX_PROBLEMS))
    if not found:
        found = list(islice(bad_values(design, recipe, prepare), MAX_PROBLEMS))
    if found:
        raise RecipeInvalid(found)


def check_losses(design: Search, recipe: Recipe, metric: str, others: Sequence[str]) -> None:
    """Refuses values with which the loss has another scale, for a search that ranks its trials by a loss; `others` are
    the metrics that it could choose. Raises RecipeInvalid with pointers into the experiment's document."""
    found = [
        Problem(
            pointer=checked.source,
            code="conflict",
            message=f"with {json.dumps(checked.value)} the loss has another scale, so that {metric} cannot rank the "
            f"trials; choose another /metric, such as {others[0]!r}",
        )
        for checked in other_losses(design, recipe)
    ]
    if found:
        raise RecipeInvalid(found[:MAX_PROBLEMS])


def other_losses(design: Search, recipe: Recipe) -> Iterator[Checked]:
    """Yields the values that change the scale of the loss; of a range only the first one."""
    for place, space in design.space.items():
        if path_of(place)[0] != "objective":
            continue
        for checked in checked_values(place, space):
            if any(changes_loss(recipe, around, checked) for around in values_around(design, place)):
                yield checked
                if not isinstance(space, Choice):
                    break


def changes_loss(recipe: Recipe, around: Mapping[str, object], checked: Checked) -> bool:
    before = read_recipe(with_values(recipe, around))
    after = read_recipe(with_values(recipe, {**around, checked.place: checked.value}))
    return objective_text(before) != objective_text(after)


def bad_ranges(design: Search) -> Iterator[Problem]:
    """Yields what is wrong with the spaces by themselves."""
    for place, space in design.space.items():
        if path_of(place)[0] in NOT_TRAINING:
            yield problem_at(place, "", "conflict", f"{place} is no part of the training that trials can differ in")
        match space:
            case Choice(values=values):
                yield from listed_again(place, values)
            case Integer(low=low, high=high):
                yield from bad_integers(place, space)
                yield from bad_order(place, low, high)
            case Uniform(low=low, high=high) | LogUniform(low=low, high=high):
                yield from bad_order(place, low, high)
    count = sum(count_checked(design, place) for place in design.space)
    if count > MAX_CHECKED:
        message = f"the choices have too many values: with 3 for each range there are {count:,} recipes to check"
        yield Problem(pointer=SPACE, code="too_long", message=message, allowed=(f"<= {MAX_CHECKED} recipes",))


def count_checked(design: Search, place: str) -> int:
    """Returns how often a recipe is planned to check a place: for each value within each combination around it."""
    space = design.space[place]
    count = len(space.values) if isinstance(space, Choice) else 3
    return count * math.prod(len(values) for values in choices_around(design, place).values())


def bad_order(place: str, low: float, high: float) -> Iterator[Problem]:
    if low >= high:
        message = f"low, {low:g}, should be below high, {high:g}"
        yield problem_at(place, "/low", "range", message, (f"< {high:g}",))
    elif not math.isfinite(float(high) - float(low)):
        yield problem_at(place, "/high", "range", "the range is too wide for a number of 64 bits")


def bad_integers(place: str, space: Integer) -> Iterator[Problem]:
    if space.log and space.low < 1:
        message = f"low, {space.low}, has no logarithm; with log it should be at least 1"
        yield problem_at(place, "/low", "range", message, (">= 1",))
    for field, number in (("/low", space.low), ("/high", space.high)):
        if abs(number) > LARGEST_EXACT:
            yield problem_at(place, field, "range", "the integer is too large to be exact", (f"<= {LARGEST_EXACT}",))


def listed_again(place: str, values: Sequence[object]) -> Iterator[Problem]:
    texts = [json.dumps(value, sort_keys=True) for value in values]
    for index, text in enumerate(texts):
        if text in texts[:index]:
            yield problem_at(place, f"/values/{index}", "conflict", f"the value {text} is listed twice")


def bad_values(design: Search, recipe: Recipe, prepare: Prepare) -> Iterator[Problem]:
    """Yields the first problem of each value that cannot be trained; of a range only the first one."""
    for place, space in design.space.items():
        for checked in checked_values(place, space):
            problem = first_problem(design, recipe, checked, prepare)
            if problem is not None:
                yield problem
                if not isinstance(space, Choice) or problem.code == "unknown_pointer":
                    break


def checked_values(place: str, space: Uniform | LogUniform | Integer | Choice) -> Iterator[Checked]:
    source = SPACE + pointer([place])
    if isinstance(space, Choice):
        for index, value in enumerate(space.values):
            yield Checked(place, value, f"{source}/values/{index}")
        return
    yield Checked(place, as_written(space.low), f"{source}/low")
    yield Checked(place, as_written(space.high), f"{source}/high")
    yield Checked(place, number_inside(space), f"{source}/type", is_written=False)


def as_written(number: float) -> float:
    """Returns a number as a recipe has it: one without a fraction is an integer."""
    return int(number) if number == int(number) and abs(number) < LARGEST_EXACT else number


def number_inside(space: Uniform | LogUniform | Integer) -> float | int:
    match space:
        case Integer(low=low, high=high):
            return (low + high) // 2
        case LogUniform(low=low, high=high):
            return math.exp(math.log(low) + INSIDE * (math.log(high) - math.log(low)))
        case Uniform(low=low, high=high):
            return low + INSIDE * (high - low)


def first_problem(design: Search, recipe: Recipe, checked: Checked, prepare: Prepare) -> Problem | None:
    """Returns why a value cannot be trained, if so; a place inside of a choice needs to fit each value around it."""
    for around in values_around(design, checked.place):
        values = {**around, checked.place: checked.value}
        try:
            document = with_values(recipe, values)
            prepare(document)
        except RecipeInvalid as error:
            return explain(error.problems[0], checked, around)
    return None


def values_around(design: Search, place: str) -> Iterator[dict[str, object]]:
    """Yields each combination of values of the choices that contain a place; one without values if none does."""
    around = choices_around(design, place)
    for values in product(*around.values()):
        yield dict(zip(around, values, strict=True))


def choices_around(design: Search, place: str) -> dict[str, list[object]]:
    spaces = {outer: design.space[outer] for outer in outer_places(place, design.space)}
    return {outer: space.values for outer, space in spaces.items() if isinstance(space, Choice)}


def explain(problem: Problem, checked: Checked, around: Mapping[str, object]) -> Problem:
    """Translates a problem of the recipe with a value into one of the value."""
    if problem.code == "unknown_pointer":
        return problem.model_copy(update={"message": problem.message + with_around(around)})
    found = problem.pointer or ""
    is_inside = found == checked.place or found.startswith(f"{checked.place}/")
    rest = found.removeprefix(checked.place) if is_inside and "/values/" in checked.source else ""
    elsewhere = "" if is_inside else f" (at {found or '/'} of the recipe)"
    message = f"{problem.message}{elsewhere}{with_around(around)}"
    if not checked.is_written:
        message = f"numbers between low and high are refused, such as {json.dumps(checked.value)}: {message}"
    return Problem(pointer=checked.source + rest, code=problem.code, message=message, allowed=problem.allowed)


def with_around(around: Mapping[str, object]) -> str:
    texts = [f"{place} {json.dumps(value)}" for place, value in around.items()]
    return f", with {' and '.join(texts)}" if texts else ""
