"""`bakehouse new`: recipes of the cookbook, as files to change and run. Needs no service."""

import sys
from pathlib import Path

import typer

from bakehouse.cli.differences import value_text
from bakehouse.cli.output import print_json, rows_as_json
from bakehouse.cli.tables import Column, table
from bakehouse.client.comparison import differing_names, flatten
from bakehouse.cookbook_files import CookbookRecipe, recipes
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import nearest_names

STDOUT = Path("-")
MAX_SUGGESTIONS = 5
COLUMNS = (
    Column("RECIPE"),
    Column("DATA SET", rank=2),
    Column("WHAT IT HAS", least=16, rank=1),
    Column("QUESTION", least=24, rank=3),
)


def print_recipes(*, as_json: bool, fields: str | None = None) -> None:
    """Prints a line for each recipe of the cookbook."""
    found = list(recipes())
    if as_json or fields:
        data = [{"name": each.path, "question": each.question, "recipe": each.document} for each in found]
        print(rows_as_json(data, fields))
        return
    rows = []
    for each in found:
        others = [other.document for other in found if other.study == each.study]
        rows.append((each.path, data_set(each.document), special_fields(each.document, others), each.question))
    print(table(COLUMNS, rows))
    print("  bakehouse new NAME writes one of them to a file", file=sys.stderr)


def data_set(document: JsonObject) -> str:
    dataset = document["dataset"]
    return str(dataset["id"] if isinstance(dataset, dict) else dataset)


def special_fields(document: JsonObject, others: list[JsonObject]) -> str:
    """Returns the fields that are not the same in all recipes of a study."""
    names = {name.partition(".")[0] for name in differing_names([flatten(other) for other in others])} - {"name"}
    shown = [f"{name} {value_text(value)}" for name, value in document.items() if name in names]
    return ", ".join(shown) or "none of the others' ingredients"


def write_recipe(name: str, output: Path | None, *, as_json: bool, fields: str | None = None) -> None:
    """Writes a recipe to a new file, and prints the file's path; writes to stdout for `-`. Never overwrites a file."""
    recipe = find_recipe(name)
    if output == STDOUT:
        print(recipe.text, end="")
        return
    file = output or Path(f"{recipe.name}.json")
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(recipe.text)
    except FileExistsError as error:
        raise typer.BadParameter(f"{file} exists and is not overwritten; give another name", param_hint="-o") from error
    if as_json or fields:
        print_json({"file": str(file), "recipe": recipe.document}, fields)
    else:
        print(file)
    print(next_steps(recipe, file), file=sys.stderr)


def find_recipe(name: str) -> CookbookRecipe:
    """Returns the recipe with a name such as `small_network/batch_norm`, or `lstm` if only one is called so."""
    found = list(recipes())
    matches = [each for each in found if name in (each.path, each.name)]
    exact = [each for each in matches if name == each.path]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    names = [each.path for each in matches or found if matches or each.study == name]
    if names:
        raise typer.BadParameter(f"{name!r} can be {', '.join(names)}", param_hint="NAME")
    near = nearest_names(name, [each.path for each in found] + [each.study for each in found], count=MAX_SUGGESTIONS)
    suggestion = f"; did you mean {' or '.join(near)}?" if near else "; `bakehouse new` lists all"
    raise typer.BadParameter(f"the cookbook has no recipe {name!r}{suggestion}", param_hint="NAME")


def next_steps(recipe: CookbookRecipe, file: Path) -> str:
    """Returns the commands that run the recipe, the runs that it builds on first."""
    lines = []
    changes = ""
    for field, value in flatten(recipe.document).items():
        if isinstance(value, str) and value.endswith(".json"):
            other = value.removesuffix(".json")
            lines.append(f"  it builds on a run of {recipe.study}/{other}: bakehouse new {recipe.study}/{other}")
            changes += f" --set {field}=RUN_ID"
    return "\n".join([*lines, f"  bakehouse run {file}{changes}"])
