"""Reads which arms of an experiment build on the runs of which others, and refuses what cannot be trained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from bakehouse.experiments.designs import Arm, Arms, invalid
from bakehouse.experiments.document import ExperimentDocument, Search
from bakehouse.experiments.stand_ins import references_in, stand_in, with_references
from bakehouse.recipe.problems import Path, Problem, RecipeInvalid, conflict, did_you_mean, pointer


def references_of(document: ExperimentDocument) -> list[tuple[Path, str]]:
    """Returns the path of each reference in a document, and the arm that it names."""
    posted = document.model_dump(mode="json", include={"recipe", "design"})
    return [(path, name) for path, name in references_in(posted) if not is_label(path)]


def is_label(path: Path) -> bool:
    """Returns whether a place in a document is among the labels of a recipe, which are texts that users choose."""
    match path:
        case ("recipe", "labels", *_) | ("design", "variants", _, "labels", *_):
            return True
        case _:
            return False


def stand_ins_of(document: ExperimentDocument) -> dict[str, str]:
    """Returns the arms that a document names, by the ids that stand in for their runs."""
    return {stand_in(name): name for _, name in references_of(document)}


def refuse_references_of_search(document: ExperimentDocument) -> None:
    if not isinstance(document.design, Search):
        return
    for path, name in references_of(document):
        message = f"a search has no arm {name!r} that others can build on; name a finished run by its id"
        raise invalid(pointer(path), "conflict", message)


def with_builds_on(arms: Arms, document: ExperimentDocument) -> Arms:
    """Returns the arms with the names of those that each builds on. Raises RecipeInvalid with pointers into the
    document, or CircularArms."""
    names = tuple(arm.name for arm in arms.arms)
    for path, name in references_of(document):
        if name not in names:
            message = f"no arm has the name {name!r}{did_you_mean(name, names)}"
            raise invalid(pointer((*path, "arm")), "unknown_arm", message, allowed=names)
    known = stand_ins_of(document)
    if not known:
        return arms
    found = tuple(replace(arm, builds_on=places_in(arm, known)) for arm in arms.arms)
    in_order(found)
    return replace(arms, arms=found)


def places_in(arm: Arm, names: Mapping[str, str]) -> dict[str, str]:
    """Returns the arms whose runs a recipe names, by the places in the recipe."""
    recipe = {field: value for field, value in arm.recipe.items() if field != "labels"}
    return {pointer(path): name for path, name in references_in(with_references(recipe, names))}


class CircularArms(Exception):
    """Raised if arms wait for each other; `problem` is one of the recipe of `arm`."""

    def __init__(self, arm: Arm, problem: Problem) -> None:
        super().__init__(problem.message)
        self.arm = arm
        self.problem = problem


def in_order(arms: Sequence[Arm]) -> list[Arm]:
    """Returns the arms so that each comes after those that it builds on. Raises CircularArms if there is no such
    order."""
    by_name = {arm.name: arm for arm in arms}
    try:
        return [by_name[name] for name in TopologicalSorter({arm.name: builds_on(arm) for arm in arms}).static_order()]
    except CycleError as error:
        # Each name is that of an arm on which the next one builds.
        around: list[str] = error.args[1][::-1]
        first = by_name[around[0]]
        place = next(place for place, name in first.builds_on.items() if name == around[1])
        message = "an arm cannot build on its own run; name another one, or replace this in the arm itself"
        if len(around) > 2:
            message = f"these arms wait for each other: {' builds on '.join(map(repr, around))}"
        raise CircularArms(first, conflict(place, message)) from error


def builds_on(arm: Arm) -> tuple[str, ...]:
    """Returns the names of the arms that an arm builds on."""
    return tuple(dict.fromkeys(arm.builds_on.values()))


def with_arm_names(error: RecipeInvalid, document: ExperimentDocument) -> RecipeInvalid:
    """Returns problems that name arms and references, where they name ids that stand in for runs."""
    names = stand_ins_of(document)
    places = [pointer(path) for path, _ in references_of(document)]
    found = []
    for problem in error.problems:
        message, where = problem.message, problem.pointer or ""
        for run, name in names.items():
            message = message.replace(run, f"the arm {name!r}")
        where = next((place for place in places if where.startswith(f"{place}/")), where)
        found.append(problem.model_copy(update={"message": message, "pointer": where}))
    return RecipeInvalid(found)
