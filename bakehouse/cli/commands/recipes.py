"""The commands about the recipe language and the cookbook; they need no service."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bakehouse.cli.options import AsJson, Fields


def complete_recipe(start: str) -> list[str]:
    """Returns the recipes of the cookbook whose names begin like this."""
    from bakehouse.cookbook_files import recipes

    return [recipe.path for recipe in recipes() if recipe.path.startswith(start)]


def complete_name(start: str) -> list[str]:
    """Returns the names of families, ingredients and fields that begin like this."""
    from bakehouse.cli.explanations import all_entries

    return [entry.name for entry in all_entries() if entry.name.startswith(start)]


def new(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A recipe, as `bakehouse new` lists it; without a name, lists all.",
            autocompletion=complete_recipe,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            dir_okay=False,
            help="The new file, or - for stdout; by default the recipe's name with .json.",
        ),
    ] = None,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Write a recipe of the cookbook to a new file, to change and run it; without a name, list the recipes."""
    from bakehouse.cli.cookbook import print_recipes, write_recipe

    if name is None:
        print_recipes(as_json=as_json, fields=fields)
    else:
        write_recipe(name, output, as_json=as_json, fields=fields)


def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A family, an ingredient or a field: norm, batch_norm, norm.momentum; by default lists all.",
            autocompletion=complete_name,
        ),
    ] = None,
    as_json: AsJson = False,
    fields: Fields = None,
) -> None:
    """Explain an ingredient or a field of recipes: its meaning, type, range, default and source."""
    from bakehouse.cli.explanations import explanation

    print(explanation(name, as_json=as_json, fields=fields))


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the script that completes commands and options in a shell: eval "$(bakehouse completion bash)"."""
    from bakehouse.cli.completion import completion_script

    print(completion_script(shell))
