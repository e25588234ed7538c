"""References to the run of another arm: `{"arm": NAME}` where a recipe of an experiment names a checkpoint.

That run does not exist when the experiment is posted. Until it has succeeded, an id stands in for it, so that the
recipe can be read and planned like any other.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from bakehouse.model import JsonObject


def stand_in(arm: str) -> str:
    """Returns the id that stands in for the run of an arm."""
    return f"run_{hashlib.sha256(arm.encode()).hexdigest()[:12]}"


def arm_named(value: object) -> str | None:
    """Returns the arm that a value in a recipe names, if it is a reference."""
    match value:
        case {"arm": str(name), **others} if not others:
            return name
        case _:
            return None


def references_in(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yields the path of each reference in a JSON value, and the arm that it names."""
    if (name := arm_named(value)) is not None:
        yield path, name
        return
    for step, inner in items_of(value):
        yield from references_in(inner, (*path, step))


def items_of(value: object) -> list[tuple[str | int, Any]]:
    """Returns what is directly inside a JSON value."""
    match value:
        case dict():
            return list(value.items())
        case list():
            return list(enumerate(value))
        case _:
            return []


def recipe_with_stand_ins(recipe: JsonObject) -> JsonObject:
    """Returns a recipe, or a patch of one, in which the ids that stand in for runs replace all references. Its labels
    are texts that users choose."""
    return {name: inner if name == "labels" else with_stand_ins(inner) for name, inner in recipe.items()}


def with_stand_ins(value: Any) -> Any:
    """Returns a JSON value in which the ids that stand in for runs replace all references."""
    if (name := arm_named(value)) is not None:
        return stand_in(name)
    match value:
        case dict():
            return {step: with_stand_ins(inner) for step, inner in value.items()}
        case list():
            return [with_stand_ins(inner) for inner in value]
        case _:
            return value


def with_runs(recipe: Any, runs: Mapping[str, str]) -> Any:
    """Returns a recipe that names real runs; `runs` are those that others stand in for."""
    return with_others(recipe, runs)


def with_references(recipe: Any, names: Mapping[str, str]) -> Any:
    """Returns a recipe as its author wrote it: with references. `names` are those of the arms, by the ids that stand in
    for their runs."""
    return with_others(recipe, {run: {"arm": name} for run, name in names.items()})


def with_others(value: Any, others: Mapping[str, Any]) -> Any:
    """Returns a JSON value in which other values replace the ids of some runs, also in `{"run": ID}`."""
    match value:
        case {"run": str(run)} if run in others:
            return others[run]
        case str() if value in others:
            return others[value]
        case dict():
            return {step: with_others(inner, others) for step, inner in value.items()}
        case list():
            return [with_others(inner, others) for inner in value]
        case _:
            return value
