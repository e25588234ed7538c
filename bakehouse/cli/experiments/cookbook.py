"""`bakehouse cookbook`: lists the questions of the cookbook, and asks one of them again."""

import sys

import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.experiments.asking import ask
from bakehouse.cli.output import rows_as_json
from bakehouse.cli.tables import Column, table
from bakehouse.cookbook_files import questions
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import did_you_mean

COLUMNS = (Column("NAME"), Column("QUESTION", least=24, rank=1), Column("ANSWER", least=24))


def print_questions(*, as_json: bool) -> None:
    """Prints a line for each question of the cookbook; needs no service."""
    found = questions()
    if as_json:
        print(rows_as_json([vars(each) for each in found], None))
        return
    print(table(COLUMNS, [(each.name, each.question, each.answer) for each in found]))
    print("  bakehouse cookbook NAME asks one of them again", file=sys.stderr)


def ask_question(name: str, fields: JsonObject, *, detach: bool, timeout: float | None, as_json: bool) -> ExitCode:
    """Posts the experiment of a question with other values of some fields, and watches it."""
    document = find_experiment(name)
    return ask(lambda _: {**document, **fields}, detach=detach, timeout=timeout, as_json=as_json)


def find_experiment(name: str) -> JsonObject:
    """Returns the document that asks a question."""
    found = {each.name: each for each in questions()}
    if name not in found:
        suggestion = did_you_mean(name, tuple(found)) or "; `bakehouse cookbook` lists all"
        raise typer.BadParameter(f"the cookbook has no question {name!r}{suggestion}", param_hint="NAME")
    return found[name].experiment
