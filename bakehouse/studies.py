"""Reads the studies of the cookbook from its pages, recipes and measured tables."""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources.abc import Traversable
from typing import Any

from bakehouse.advice.rules import all_rules
from bakehouse.cookbook_files import STUDY, CookbookQuestion, CookbookRecipe, questions, recipes_in, study_folders
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import nearest_names, pointer
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.tokens import recipe_tokens
from bakehouse.study import (
    BuildsOn,
    Clash,
    Studies,
    Study,
    StudyCell,
    StudyColumn,
    StudyDifference,
    StudyRecipe,
    StudyRow,
    StudySummary,
)  # fmt: skip

ROW = re.compile(r"^\| `(?P<recipe>[\w.-]+)` \| (?P<cells>.*) \|(?P<difference>[^|]*)\|$", re.MULTILINE)
SPREAD = re.compile(r"(?P<mean>[-\d.e+]+) ± (?P<spread>[\d.e+-]+)")
INTERVAL = re.compile(r"(?P<mean>[-+\d.e]+) \((?P<low>[-+\d.e]+) to (?P<high>[-+\d.e]+)\)")
MEASURED = re.compile(r"(?P<date>\d{4}-\d\d-\d\d), torch (?P<torch>\S+)\.$", re.MULTILINE)
PROSE = re.compile(r"^# .*?\n\n(?P<text>.*?)\n\n```sh", re.DOTALL)


class StudyNotFound(Exception):
    """Raised if the cookbook has no study of this name."""

    def __init__(self, name: str) -> None:
        near = nearest_names(name, all_studies(), count=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        super().__init__(f"The cookbook has no study of that name{hint}")


def studies() -> Studies:
    """Returns all studies in short."""
    fields = StudySummary.model_fields
    found = [{name: getattr(study, name) for name in fields if name != "recipes"} for study in all_studies().values()]
    names = [tuple(recipe.name for recipe in study.recipes) for study in all_studies().values()]
    return Studies(
        data=tuple(StudySummary(**each, recipes=recipes) for each, recipes in zip(found, names, strict=True))
    )


def study(name: str) -> Study:
    """Returns one study. Raises StudyNotFound."""
    if name not in all_studies():
        raise StudyNotFound(name)
    return all_studies()[name]


# The files do not change while the process runs.
@cache
def all_studies() -> dict[str, Study]:
    """Returns the studies by name."""
    asked = {each.name: each for each in questions()}
    return {folder.name: read_study(folder, asked[folder.name]) for folder in study_folders()}


def read_study(folder: Traversable, question: CookbookQuestion) -> Study:
    """Reads a study from its files; the table is the one that `python -m cookbook` wrote into its page."""
    facts = json.loads((folder / STUDY).read_text(encoding="utf-8"))
    page = (folder / "README.md").read_text(encoding="utf-8")
    recipes = list(recipes_in(folder))
    prose, measured = PROSE.search(page), MEASURED.search(page)
    assert prose is not None
    assert measured is not None
    heading = next(line for line in page.splitlines() if line.startswith("| recipe |"))
    return Study(
        name=folder.name,
        question=question.question,
        answer=question.answer,
        experiment=question.experiment,
        text=prose["text"],
        setting=common_fields([recipe.document for recipe in recipes]),
        seeds=facts["seeds"],
        against=facts["against"],
        measured_on=measured["date"],
        torch=measured["torch"],
        columns=tuple(columns_of(facts["columns"], heading)),
        rows=tuple(map(row_of, ROW.finditer(page))),
        recipes=tuple(recipes_of(recipes)),
        clashes=tuple(Clash(code=rule.code, about=rule.reason) for rule in all_rules() if f"`{rule.code}`" in page),
    )


def common_fields(documents: list[JsonObject]) -> JsonObject:
    first, *others = documents
    return {
        name: value
        for name, value in first.items()
        if name != "name" and all(name in other and other[name] == value for other in others)
    }


def columns_of(names: list[str], heading: str) -> Iterator[StudyColumn]:
    for name, text in zip(names, heading.split(" | ")[1:], strict=False):
        label, _, unit = text.partition(", ")
        yield StudyColumn(name=name, label=label, unit=unit or None)


def row_of(found: re.Match[str]) -> StudyRow:
    cells = [StudyCell(**numbers(cell)) for cell in SPREAD.finditer(found["cells"])]
    difference = INTERVAL.search(found["difference"])
    return StudyRow(
        recipe=found["recipe"],
        cells=tuple(cells),
        difference=None if difference is None else StudyDifference(**numbers(difference)),
    )


def numbers(found: re.Match[str]) -> dict[str, float]:
    return {name: float(text) for name, text in found.groupdict().items()}


def recipes_of(recipes: list[CookbookRecipe]) -> Iterator[StudyRecipe]:
    tokens = [tokens_of(recipe.document) for recipe in recipes]
    for recipe, own in zip(recipes, tokens, strict=True):
        yield StudyRecipe(
            name=recipe.name,
            recipe=recipe.document,
            ingredients=tuple(token for token in own if not all(token in others for others in tokens)),
            builds_on=tuple(references(recipe.document, [])),
        )


def references(node: Any, path: list[str | int]) -> Iterator[BuildsOn]:
    """Yields the places at which a recipe has the name of another recipe's file."""
    match node:
        case str() if node.endswith(".json"):
            yield BuildsOn(pointer=pointer(path), recipe=node.removesuffix(".json"))
        case dict():
            for key, value in node.items():
                yield from references(value, [*path, key])
        case list():
            for index, item in enumerate(node):
                yield from references(item, [*path, index])
        case _:
            pass


def tokens_of(document: JsonObject) -> list[str]:
    """Returns what a recipe has beyond the defaults, with its data set and architecture."""
    # The names of the runs that it builds on are no ids, so they are put in after the short forms are spelt out.
    names = sorted({place.recipe for place in references(document, [])})
    ids = {f"{name}.json": f"run_{index:012d}" for index, name in enumerate(names)}
    canonical = read_recipe(replaced(document, ids)).canonical()
    shown = replaced(canonical, {run_id: file.removesuffix(".json") for file, run_id in ids.items()})
    return [shown["dataset"]["id"], shown["architecture"]["type"], *recipe_tokens(shown)]


def replaced(node: Any, texts: dict[str, str]) -> Any:
    """Returns a copy of a document in which some texts are replaced."""
    match node:
        case str():
            return texts.get(node, node)
        case dict():
            return {key: replaced(value, texts) for key, value in node.items()}
        case list():
            return [replaced(item, texts) for item in node]
        case _:
            return node
