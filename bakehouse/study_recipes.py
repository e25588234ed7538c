"""Writes the recipes of a study as its author would have posted them: each arm of its experiment in short form."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jsonpointer import JsonPointer

from bakehouse.experiments.designs import Arm
from bakehouse.experiments.document import Search
from bakehouse.experiments.question import Question
from bakehouse.experiments.references import stand_ins_of
from bakehouse.experiments.stand_ins import (
    recipe_with_stand_ins,
    references_in,
    with_others,
    with_references,
    with_stand_ins,
)
from bakehouse.model import JsonObject
from bakehouse.recipe.merge import merge_patch
from bakehouse.recipe.problems import RecipeInvalid, pointer
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.short_form import short_form
from bakehouse.recipe.tokens import recipe_tokens
from bakehouse.study import BuildsOn, StudyRecipe

MOST_ARMS = 16
"""The arms of a larger factorial are its recipe without some ingredients, and too many to choose from."""
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class NamedArm:
    """An arm whose recipe users can take."""

    name: str
    """The name of the recipe."""
    arm: Arm
    is_arm: bool = True
    """Whether the experiment trains the recipe itself."""


def study_recipes(question: Question) -> tuple[StudyRecipe, ...]:
    """Returns the recipes of the arms, or of a search and of a large factorial the recipe that they are made from."""
    chosen = list(named_arms(question))
    stand_ins = stand_ins_of(question.document)
    names = {each.arm.name: each.name for each in chosen}
    tokens = [tokens_of(each.arm, stand_ins) for each in chosen]
    return tuple(
        StudyRecipe(
            name=each.name,
            arm=each.arm.name if each.is_arm else None,
            recipe={"name": each.name, **with_others(short, placeholders(stand_ins, names))},
            ingredients=tuple(own if len(chosen) == 1 else special(own, tokens)),
            builds_on=tuple(references(short, stand_ins, names)),
        )
        for each, own, short in zip(chosen, tokens, (short_recipe(each.arm, question) for each in chosen), strict=True)
    )


def named_arms(question: Question) -> Iterator[NamedArm]:
    arms = question.arms.arms
    if isinstance(question.document.design, Search):
        yield NamedArm("recipe", Arm("recipe", question.recipe.canonical()), is_arm=False)
    elif question.arms.factors and len(arms) > MOST_ARMS:
        yield NamedArm("all_of_them", arms[-1])
    else:
        names = [recipe_name(arm.name) for arm in arms]
        for index, arm in enumerate(arms):
            before = names[:index].count(names[index])
            yield NamedArm(f"{names[index]}_{before + 1}" if before else names[index], arm)


def recipe_name(arm: str) -> str:
    """Returns the name of an arm as a part of an address and of a file's name: `batch_norm_dropout`."""
    return NOT_IN_A_NAME.sub("_", arm).strip("_") or "recipe"


def short_recipe(arm: Arm, question: Question) -> JsonObject:
    """Returns the fields of an arm's recipe that differ from the default: as they were posted, or in short form."""
    posted = recipe_with_stand_ins(question.document.recipe)
    changes = posted_changes(arm, question)
    recipe = read_recipe(arm.recipe)
    fields: JsonObject = {}
    for name, field in Recipe.model_fields.items():
        value = getattr(recipe, name)
        if name in posted and value == getattr(question.recipe, name):
            fields[name] = posted[name]
        elif value != field.default:
            change = merge_patch(posted.get(name), changes.get(name))
            means_it = name in changes and value_of(name, {**posted, name: change}) == value
            fields[name] = change if means_it else short_field(value)
    return fields


def posted_changes(arm: Arm, question: Question) -> JsonObject:
    """Returns what the document of the experiment sets for an arm in whole fields of the recipe."""
    document = question.document.model_dump(mode="json")
    fields = {place.removeprefix("/"): where for place, where in arm.sources.items() if place.count("/") == 1}
    return {name: with_stand_ins(JsonPointer(where).resolve(document)) for name, where in fields.items()}


def value_of(name: str, recipe: JsonObject) -> object:
    """Returns a field of a recipe, or None if the recipe cannot be read."""
    try:
        return getattr(read_recipe(recipe), name)
    except RecipeInvalid:
        return None


def short_field(value: object) -> object:
    short = short_form(value)
    # One object is short for a list of one.
    return short[0] if isinstance(short, list) and len(short) == 1 else short


def placeholders(stand_ins: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Returns what a recipe has in place of the ids that stand in for runs."""
    return {run: f"the id of a run of {names[arm]}" for run, arm in stand_ins.items()}


def references(recipe: JsonObject, stand_ins: Mapping[str, str], names: Mapping[str, str]) -> Iterator[BuildsOn]:
    """Yields the places at which a recipe needs the id of a run of another one."""
    for path, arm in references_in(with_references(recipe, stand_ins)):
        yield BuildsOn(pointer=pointer(path), recipe=names[arm])


def tokens_of(arm: Arm, stand_ins: Mapping[str, str]) -> list[str]:
    """Returns what a recipe has beyond the defaults, with its data set and architecture."""
    shown = with_others(read_recipe(arm.recipe).canonical(), stand_ins)
    return [shown["dataset"]["id"], shown["architecture"]["type"], *recipe_tokens(shown)]


def special(tokens: Sequence[str], all_tokens: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yields the texts that not all recipes have."""
    return (token for token in tokens if not all(token in others for others in all_tokens))
