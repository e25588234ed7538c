"""Expands the design of an experiment into arms: the recipes that are compared."""

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Any, assert_never

from jsonpointer import JsonPointer, JsonPointerException

from bakehouse.experiments.document import MAX_FACTORS, MAX_RUNS, Ablation, AnyDesign, Factorial, Grid, Search, Variants
from bakehouse.experiments.stand_ins import arm_named, recipe_with_stand_ins, with_stand_ins
from bakehouse.experiments.switches import ONLY_IF_NAMED, Switch, switched_off, switches
from bakehouse.model import JsonObject
from bakehouse.recipe.merge import merge_patch
from bakehouse.recipe.problems import Problem, RecipeInvalid, did_you_mean, path_of, pointer
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe

MAX_VALUE_CHARACTERS = 40
# The fields of a recipe that the experiment's document sets for all arms, and where.
SET_FOR_ALL = {"/seed": "/seeds", "/dataset/folds": "/folds", "/dataset/fold": "/folds"}


@dataclass(frozen=True)
class Arm:
    """A recipe that is compared with others."""

    name: str
    recipe: JsonObject
    """The recipe as it is prepared, without a seed."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """The places in the experiment's document that set parts of the recipe, by their pointers in the recipe; of an arm
    that the document does not spell out, only the place of the recipe itself."""
    levels: tuple[bool, ...] = ()
    """In a factorial, whether each factor is on."""
    builds_on: Mapping[str, str] = field(default_factory=dict)
    """The arms whose runs the recipe names, by the places in the recipe."""

    def posted(self, problem: Problem) -> Problem:
        """Translates a problem of this recipe into one of the experiment's document."""
        found = problem.pointer or ""
        inside = [place for place in self.sources if found == place or found.startswith(f"{place}/")]
        place = max(inside, key=len, default="")
        where = self.sources[place] + found.removeprefix(place) if inside else f"/recipe{found}"
        return problem.model_copy(update={"pointer": where, "message": f"in the arm {self.name!r}: {problem.message}"})


@dataclass(frozen=True)
class Arms:
    """All arms of an experiment, and the one that the others are compared with."""

    arms: tuple[Arm, ...]
    baseline: str | None
    """None in a search."""
    factors: tuple[str, ...] = ()
    """In a factorial, the names of its factors."""


def expand(design: AnyDesign, recipe: Recipe) -> Arms:
    """Returns the arms of a design; of a search none yet. Raises RecipeInvalid with pointers into the experiment's
    document."""
    match design:
        case Variants():
            return expand_variants(design, recipe)
        case Grid():
            return expand_grid(design, recipe)
        case Ablation():
            return expand_ablation(design, recipe)
        case Factorial():
            return expand_factorial(design, recipe)
        case Search():
            # Its trials follow from what others have reached.
            return Arms((), None)
        case _:
            assert_never(design)


def expand_variants(design: Variants, recipe: Recipe) -> Arms:
    document = recipe.canonical()
    names = tuple(design.variants)
    baseline = names[0] if design.baseline is None else design.baseline
    if baseline not in names:
        message = f"no variant has this name{did_you_mean(baseline, names)}"
        raise invalid("/design/baseline", "unknown_arm", message, allowed=names)
    arms = []
    for name, patch in design.variants.items():
        place = "/design/variants" + pointer([name])
        refuse_invisible(name, place)
        sources = {changed: place + changed for changed in places(patch)}
        for set_by_all in SET_FOR_ALL.keys() & sources:
            raise invalid(
                sources[set_by_all], "conflict", f"all arms have the same: set it in {SET_FOR_ALL[set_by_all]}"
            )
        arms.append(Arm(name, merge_patch(document, recipe_with_stand_ins(patch)), sources))
    return Arms(tuple(arms), baseline)


def refuse_invisible(name: str, place: str) -> None:
    """Refuses the name of an arm that tables, files and terminals cannot show."""
    if not name.strip() or any(unicodedata.category(character) == "Cc" for character in name):
        raise invalid(place, "name", "the name of an arm needs a visible character, and no control characters")


def places(patch: object, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yields the pointers to everything that a merge patch sets."""
    if isinstance(patch, dict):
        for name, value in patch.items():
            yield pointer([*path, name])
            yield from places(value, (*path, name))


def expand_grid(design: Grid, recipe: Recipe) -> Arms:
    # First of all, because the values of an axis are compared with each other.
    combinations = prod(max(1, len(values)) for values in design.axes.values())
    if combinations > MAX_RUNS:
        message = f"the axes have {combinations:,} combinations; an experiment has at most {MAX_RUNS:,} runs"
        raise invalid("/design/axes", "too_many_runs", message)
    refuse_bad_axes(design, recipe)
    labels = axis_labels(list(design.axes))
    texts = [value_texts(values) for values in design.axes.values()]
    document = recipe.canonical()
    # A place that contains another one is set first, so that it does not undo the other.
    order = sorted(design.axes, key=lambda axis: axis.count("/"))
    arms = []
    for chosen in product(*(range(len(values)) for values in design.axes.values())):
        indexes = dict(zip(design.axes, chosen, strict=True))
        sources = {axis: "/design/axes" + pointer([axis, index]) for axis, index in indexes.items()}
        name = ", ".join(f"{label}={text[index]}" for label, text, index in zip(labels, texts, chosen, strict=True))
        arm = Arm(name, document, sources)
        for axis in order:
            arm = with_value(arm, axis, with_stand_ins(design.axes[axis][indexes[axis]]))
        arms.append(arm)
    return Arms(tuple(arms), arms[0].name)


def refuse_bad_axes(design: Grid, recipe: Recipe) -> None:
    for axis, values in design.axes.items():
        place = "/design/axes" + pointer([axis])
        if axis in SET_FOR_ALL:
            raise invalid(place, "conflict", f"all arms have the same: set it in {SET_FOR_ALL[axis]}")
        if path_of(axis)[0] in ("name", "labels"):
            raise invalid(place, "conflict", f"{axis} is no part of the training that arms can differ in")
        if not values:
            raise invalid(place, "too_short", "an axis needs at least one value")
        encoded = [json.dumps(value, sort_keys=True) for value in values]
        for index, text in enumerate(encoded):
            if text in encoded[:index]:
                raise invalid(f"{place}/{index}", "conflict", f"the value {text} is listed twice on this axis")


def with_value(arm: Arm, place: str, value: object) -> Arm:
    """Returns an arm with another value at a place of its recipe. Raises RecipeInvalid if it has no such place."""
    try:
        parent, last = JsonPointer(place).to_last(arm.recipe)
    except JsonPointerException:
        parent, last = None, None
    # A place in an ingredient that an axis has set in a short form is only there in the canonical recipe.
    if not isinstance(parent, dict | list) and arm.recipe != (canonical := canonical_recipe(arm)):
        return with_value(replace(arm, recipe=canonical), place, value)
    known = list(parent) if isinstance(parent, dict) else [str(index) for index in range(len(parent or ()))]
    if str(last) not in known:
        names = tuple(pointer([*path_of(place)[:-1], name]) for name in known)
        message = f"in the arm {arm.name!r}: the recipe has no {place}{did_you_mean(place, names)}"
        raise invalid("/design/axes" + pointer([place]), "unknown_pointer", message, allowed=names or None)
    return replace(arm, recipe=with_item(arm.recipe, JsonPointer(place).parts, value))


def with_item(node: Any, path: Sequence[str], value: object) -> Any:
    """Returns a JSON value with another value at a path that it has. The result shares all other values with the given
    one: to copy a whole recipe for each of a thousand arms takes longer than to read it."""
    step, *rest = path
    changed = copy(node)
    key: Any = int(step) if isinstance(node, list) else step
    changed[key] = with_item(node[key], rest, value) if rest else value
    return changed


def canonical_recipe(arm: Arm) -> JsonObject:
    """Returns the recipe of an arm with all defaults. Raises RecipeInvalid with pointers into the document."""
    try:
        return read_recipe(arm.recipe).canonical()
    except RecipeInvalid as error:
        raise RecipeInvalid(map(arm.posted, error.problems)) from error


def axis_labels(axes: Sequence[str]) -> list[str]:
    """Returns a short name for each axis: its last part, or all of it where two axes have the same last part."""
    short = [axis.rpartition("/")[2] for axis in axes]
    whole = [axis[1:].replace("/", ".") for axis in axes]
    return [
        full if part.isdecimal() or short.count(part) > 1 else part for part, full in zip(short, whole, strict=True)
    ]


def value_texts(values: Sequence[object]) -> list[str]:
    """Returns a short text for each value of an axis; the texts differ."""
    short = [value_text(value) for value in values]
    # The first of equal texts stays as it is: a value that is added later must not rename an arm.
    return [text if text not in short[:index] else f"{text} ({index})" for index, text in enumerate(short)]


def value_text(value: object) -> str:
    """Returns a value as text: of an ingredient its type and its other fields, of a list its items."""
    if (name := arm_named(value)) is not None:
        return name
    match value:
        case None:
            return "none"
        case str():
            text = value
        case {"type": str(kind), **fields}:
            text = f"{kind}({', '.join(f'{name}={value_text(each)}' for name, each in fields.items())})"
            text = text.removesuffix("()")
        case list():
            text = "+".join(map(value_text, value)) or "none"
        case _:
            text = json.dumps(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[: MAX_VALUE_CHARACTERS - 1]}…"


def expand_ablation(design: Ablation, recipe: Recipe) -> Arms:
    found = chosen_switches(design.ingredients, recipe)
    if design.ingredients == []:
        message = "names no ingredient; leave it out to switch off each one that is on"
        raise invalid("/design/ingredients", "nothing_to_ablate", message)
    if not found:
        message = "the recipe has no ingredient that is on, so there is nothing to take away"
        raise invalid("/recipe", "nothing_to_ablate", message)
    document = recipe.canonical()
    arms = [Arm("recipe", document)]
    arms += [Arm(f"without {switch.name}", switched_off(document, [switch])) for switch in found]
    if len(found) > 1:
        arms.append(Arm("without all of them", switched_off(document, found)))
    return Arms(tuple(arms), "recipe")


def expand_factorial(design: Factorial, recipe: Recipe) -> Arms:
    found = chosen_switches(design.ingredients, recipe)
    if not 2 <= len(found) <= MAX_FACTORS:
        names = ", ".join(switch.name for switch in found) or "none"
        message = f"a factorial needs 2 to {MAX_FACTORS} ingredients that are on; this one has {len(found)}: {names}"
        place = "/recipe" if design.ingredients is None else "/design/ingredients"
        raise invalid(place, "factors", message, allowed=(f"2 to {MAX_FACTORS} ingredients",))
    document = recipe.canonical()
    arms = []
    for levels in product((False, True), repeat=len(found)):
        off = [switch for switch, is_on in zip(found, levels, strict=True) if not is_on]
        on = [switch.name for switch, is_on in zip(found, levels, strict=True) if is_on]
        arms.append(Arm(" + ".join(on) or "none of them", switched_off(document, off), levels=levels))
    return Arms(tuple(arms), arms[0].name, factors=tuple(switch.name for switch in found))


def chosen_switches(names: Sequence[str] | None, recipe: Recipe) -> list[Switch]:
    """Returns the ingredients that a design switches off: those that are named, or all."""
    found = switches(recipe)
    if names is None:
        return [switch for switch in found if switch.family not in ONLY_IF_NAMED]
    chosen: dict[tuple[str | int, ...], Switch] = {}
    for index, name in enumerate(names):
        place = f"/design/ingredients/{index}"
        meant = [switch for switch in found if name in (switch.name, switch.family)]
        if not meant:
            allowed = tuple(dict.fromkeys(text for switch in found for text in (switch.name, switch.family)))
            message = f"the recipe has no ingredient {name!r} that is on{did_you_mean(name, allowed)}"
            raise invalid(place, "unknown_ingredient", message, allowed=allowed)
        for switch in meant:
            if switch.path in chosen:
                raise invalid(place, "conflict", f"{name!r} means {switch.name}, which is listed before")
            chosen[switch.path] = switch
    return list(chosen.values())


def invalid(place: str, code: str, message: str, allowed: tuple[str, ...] | None = None) -> RecipeInvalid:
    return RecipeInvalid([Problem(pointer=place, code=code, message=message, allowed=allowed)])


def refuse_equal_arms(arms: Arms, digests: Sequence[str], design: AnyDesign) -> None:
    """Refuses two arms whose recipes train the same model."""
    first: dict[str, str] = {}
    for arm, digest in zip(arms.arms, digests, strict=True):
        if digest in first:
            message = f"the arms {first[digest]!r} and {arm.name!r} have the same canonical recipe"
            place = f"/design/variants{pointer([arm.name])}" if isinstance(design, Variants) else "/design"
            raise invalid(place, "equal_arms", message)
        first[digest] = arm.name
