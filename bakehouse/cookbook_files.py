"""Finds the cookbook, and reads the files of its questions."""

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from bakehouse.model import JsonObject
from bakehouse.recipe.read import parse_json

PAGE = "README.md"
EXPERIMENT = "experiment.json"
RESULTS = "results.json"
OVERVIEW_ROW = re.compile(r"^\| \[(?P<question>.*)\]\((?P<name>\w+)/README\.md\) \| (?P<answer>.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class CookbookQuestion:
    """A question of the cookbook and its short answer, from the overview."""

    name: str
    """The name that users give: `small_network`."""
    question: str
    answer: str
    experiment: JsonObject
    """The document of the experiment that asks it."""


def cookbook() -> Traversable:
    """Returns the folder of the cookbook: that of the installed package, or of the checkout."""
    installed = files("bakehouse") / "cookbook"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "cookbook"


def questions() -> list[CookbookQuestion]:
    """Returns all questions, in the order of the overview."""
    overview = (cookbook() / PAGE).read_text(encoding="utf-8")
    return [
        CookbookQuestion(**found.groupdict(), experiment=parse_json(read_file(found["name"], EXPERIMENT)))
        for found in OVERVIEW_ROW.finditer(overview)
    ]


def read_file(question: str, name: str) -> str:
    """Returns the text of a file of a question."""
    return (cookbook() / question / name).read_text(encoding="utf-8")
