"""`bakehouse new`: the recipes of the cookbook, as files to change and run. Needs no service."""

import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from bakehouse.cli.output import print_json, rows_as_json
from bakehouse.cli.tables import Column, table
from bakehouse.cookbook_files import questions
from bakehouse.experiments.question import read_experiment
from bakehouse.json_text import json_lines
from bakehouse.recipe.problems import nearest_names, path_of
from bakehouse.study import StudyRecipe
from bakehouse.study_recipes import study_recipes

STDOUT = Path("-")
MAX_SUGGESTIONS = 5
COLUMNS = (
    Column("RECIPE"),
    Column("DATA SET", rank=2),
    Column("WHAT IT HAS", least=16, rank=1),
    Column("QUESTION", least=24, rank=3),
)


@dataclass(frozen=True)
class CookbookRecipe:
    """A recipe of a study."""

    study: str
    question: str
    recipe: StudyRecipe

    @property
    def path(self) -> str:
        """The name that users give: `small_network/batch_norm`."""
        return f"{self.study}/{self.recipe.name}"


def recipes() -> list[CookbookRecipe]:
    """Returns all recipes by study, in the order in which the study compares them."""
    return [
        CookbookRecipe(each.name, each.question, recipe)
        for each in questions()
        for recipe in study_recipes(read_experiment(each.experiment))
    ]


def print_recipes(*, as_json: bool, fields: str | None = None) -> None:
    """Prints a line for each recipe of the cookbook."""
    found = recipes()
    if as_json or fields:
        data = [{"name": each.path, "question": each.question, "recipe": each.recipe.recipe} for each in found]
        print(rows_as_json(data, fields))
        return
    rows = [
        (
            each.path,
            data_set(each.recipe),
            ", ".join(each.recipe.ingredients) or "none of the others' ingredients",
            each.question,
        )
        for each in found
    ]
    print(table(COLUMNS, rows))
    print("  bakehouse new NAME writes one of them to a file", file=sys.stderr)


def data_set(recipe: StudyRecipe) -> str:
    dataset = recipe.recipe["dataset"]
    return str(dataset["id"] if isinstance(dataset, dict) else dataset)


def write_recipe(name: str, output: Path | None, *, as_json: bool, fields: str | None = None) -> None:
    """Writes a recipe to a new file, and prints the file's path; writes to stdout for `-`. Never overwrites a file."""
    found = find_recipe(name)
    text = json_lines(found.recipe.recipe, levels=1) + "\n"
    if output == STDOUT:
        print(text, end="")
        return
    file = output or Path(f"{found.recipe.name}.json")
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise typer.BadParameter(f"{file} exists and is not overwritten; give another name", param_hint="-o") from error
    if as_json or fields:
        print_json({"file": str(file), "recipe": found.recipe.recipe}, fields)
    else:
        print(file)
    print(next_steps(found, file), file=sys.stderr)


def find_recipe(name: str) -> CookbookRecipe:
    """Returns the recipe with a name such as `small_network/batch_norm`, or `mlp_8` if only one is called so."""
    found = recipes()
    matches = [each for each in found if name in (each.path, each.recipe.name)]
    exact = [each for each in matches if name == each.path]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    names = [each.path for each in matches or found if matches or each.study == name]
    if names:
        raise typer.BadParameter(f"{name!r} can be {', '.join(names)}", param_hint="NAME")
    near = nearest_names(name, [each.path for each in found] + [each.study for each in found], count=MAX_SUGGESTIONS)
    suggestion = f"; did you mean {' or '.join(near)}?" if near else "; `bakehouse new` lists all"
    raise typer.BadParameter(f"the cookbook has no recipe {name!r}{suggestion}", param_hint="NAME")


def next_steps(found: CookbookRecipe, file: Path) -> str:
    """Returns the commands that run the recipe, the runs that it builds on first."""
    lines = []
    changes = ""
    for place in found.recipe.builds_on:
        other = f"{found.study}/{place.recipe}"
        lines.append(f"  it builds on a run of {other}: bakehouse new {other}")
        changes += f" --set {'.'.join(map(str, path_of(place.pointer)))}=RUN_ID"
    return "\n".join([*lines, f"  bakehouse run {file}{changes}"])
