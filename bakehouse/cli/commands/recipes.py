"""The commands about the recipe language and the cookbook; they need no service."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bakehouse.cli.commands.experiment import AnswerAsJson, Detach, Priority, Seeds, Timeout
from bakehouse.cli.options import AsJson, Fields


def complete_recipe(start: str) -> list[str]:
    """Returns the recipes of the cookbook whose names begin like this."""
    from bakehouse.cli.cookbook import recipes

    return [recipe.path for recipe in recipes() if recipe.path.startswith(start)]


def complete_question(start: str) -> list[str]:
    """Returns the questions of the cookbook whose names begin like this."""
    from bakehouse.cookbook_files import questions

    return [question.name for question in questions() if question.name.startswith(start)]


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


def cookbook(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A question, as `bakehouse cookbook` lists it; without a name, lists all.",
            autocompletion=complete_question,
        ),
    ] = None,
    seeds: Seeds = None,
    priority: Priority = None,
    detach: Detach = False,
    timeout: Timeout = None,
    as_json: AnswerAsJson = False,
) -> None:
    """List the questions of the cookbook with their answers, or ask one again: train its experiment and answer it."""
    if name is None:
        from bakehouse.cli.experiments.cookbook import print_questions

        print_questions(as_json=as_json)
        return
    from bakehouse.cli.experiments.cookbook import ask_question
    from bakehouse.cli.experiments.documents import fields_of

    fields = fields_of(seeds=seeds, priority=priority)
    raise typer.Exit(ask_question(name, fields, detach=detach, timeout=timeout, as_json=as_json))


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
